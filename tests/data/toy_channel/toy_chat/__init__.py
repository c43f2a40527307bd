"""A channel of its own package: messages to a chat bot, by its HTTP API. The example of docs/channels.md."""

from typing import Final

from pydantic import BaseModel, SecretStr

from service.channels.channel import Channel, Surroundings
from service.channels.medium import Medium, Rendered
from service.channels.port import Provider

LONGEST: Final = 4000


class ChatSettings(BaseModel):
    """`STAGEBELL_TOYCHAT_URL` and `STAGEBELL_TOYCHAT_TOKEN`."""

    url: str = ""
    token: SecretStr = SecretStr("")


class ChatMedium(Medium):
    """Plain text, as long as the bot takes it."""

    def problem(self, rendered: Rendered) -> str:
        """What `stagebell check` says of a template."""
        too_long = f"is longer than {LONGEST} characters" if len(rendered.text) > LONGEST else ""
        return super().problem(rendered) or too_long


def canonical(text: str, _country: str | None) -> str:
    """Names of chats have no capital letters, and an @ that people write before them is none of theirs."""
    name = text.strip().removeprefix("@").lower()
    if not name.isascii() or not name.replace("_", "").isalnum():
        raise ValueError("is no name of a chat: letters, digits and _")
    return name


def providers(settings: ChatSettings, around: Surroundings) -> list[Provider]:
    """Loaded when it is needed: what speaks HTTP takes its time."""
    from toy_chat.provider import ChatProvider

    return [ChatProvider(settings.url, settings.token.get_secret_value(), around.timeout_s)]


CHANNEL: Final = Channel(
    name="toychat",
    title="Toy chat",
    settings=ChatSettings,
    is_ready=lambda settings: bool(settings.url and settings.token.get_secret_value()),
    needs="TOYCHAT_URL and TOYCHAT_TOKEN",
    providers=providers,
    canonical=canonical,
    example=lambda number: f"toy_{number}",
    medium=ChatMedium(),
)
