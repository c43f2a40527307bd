"""What a channel declares of itself: its name, where addresses are, what it needs, how it looks, who sends.

A folder here has one; a package of yours names one under the entry-point group `stagebell.channels`
(docs/channels.md). Whatever goes over all channels goes over `registry.channels()`.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from msgspec import Struct
from pydantic import BaseModel

from service.channels.medium import Medium
from service.channels.port import Provider
from service.domain.channels import AddressField, ChannelSpec
from service.domain.rungs import Reached
from service.webhooks import WebhookClient


class NoSettings(BaseModel):
    """Of a channel that needs none."""


class Surroundings(Struct, frozen=True):
    """What a process lends its providers.

    `timeout_s`: how long one send may take, in seconds. `concurrent`: how many at a time. `closers`: put here what is
    to be closed at the end beside the providers themselves.
    """

    timeout_s: float
    concurrent: int
    webhooks: WebhookClient
    closers: list[Callable[[], Coroutine[Any, Any, None]]]


def as_written(text: str, _country: str | None) -> str:
    """The canonical form of an address whose letters all count: without blanks around it."""
    return text.strip()


class Channel(Struct, frozen=True, kw_only=True):
    """A way to readers.

    name: as packs, events and metrics write it: lower case, letters, digits and underscores.
    title: as pages head it.
    settings: the settings it reads. A channel from another package reads `STAGEBELL_<NAME>_<FIELD>`.
    is_ready: whether these suffice to send; without, messages are captured.
    needs: what `is_ready` asks for, in the names of settings without `STAGEBELL_`.
    providers: those who send, the preferred one first; called once a process, and only where `is_ready`.
    address: the field of a person that holds their address; empty: `addresses.<name>`.
    canonical: one form for all spellings of an own address, given its person's country (ISO 3166) or None; raises
        ValueError, in words that do not repeat the address, for what can be none.
    example: an address of nobody's, made from a number, for orders that are played.
    canonical_sender: one form of a sender that a brand chooses; raises ValueError, in words, for what can be none. No
        function: nothing can be chosen.
    medium: how a message looks.
    reply_window: for how long after a reader's own message free words may be sent; None: always.
    tells: the most that is ever heard of a message: that it was sent, delivered or read.
    """

    name: str
    title: str
    needs: str
    providers: Callable[[Any, Surroundings], list[Provider]]
    settings: type[BaseModel] = NoSettings
    is_ready: Callable[[Any], bool] = lambda _settings: True
    address: AddressField = ""
    canonical: Callable[[str, str | None], str] = as_written
    example: Callable[[int], str] = lambda number: f"demo-{number}"
    canonical_sender: Callable[[str], str] | None = None
    medium: Medium = Medium()
    reply_window: timedelta | None = None
    tells: Reached = "read"

    @property
    def spec(self) -> ChannelSpec:
        """What the domain goes by."""
        return ChannelSpec(self.name, self.address, joins=self.medium.has_templates, tells=self.tells)
