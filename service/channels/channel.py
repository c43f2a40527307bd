"""What a channel declares: its name, address field, settings, medium and providers.

Each folder here declares one; other packages register theirs under the entry-point group `stagebell.channels`
(docs/channels.md). Code that handles all channels iterates over `registry.channels()`.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from pydantic import BaseModel

from service.channels.medium import Medium
from service.channels.port import Provider
from service.domain.channels import AddressField, ChannelSpec
from service.domain.rungs import Reached

if TYPE_CHECKING:  # the settings know the channels, and HTTP takes a fifth of the start of a command without it
    from service.webhooks import WebhookClient


class NoSettings(BaseModel):
    """For a channel without settings."""


class Surroundings(Struct, frozen=True):
    """What a process gives to its providers.

    `timeout_s`: the time limit of one send, in seconds. `concurrent`: how many sends at a time. `closers`: functions to
    call at the end, for what is to be closed besides the providers themselves.
    """

    timeout_s: float
    concurrent: int
    webhooks: "WebhookClient"
    closers: list[Callable[[], Coroutine[Any, Any, None]]]


def as_written(text: str, _country: str | None) -> str:
    """The canonical form of an address in which every letter matters: stripped of surrounding blanks."""
    return text.strip()


class Channel(Struct, frozen=True, kw_only=True):
    """A channel.

    name: as packs, events and metrics write it: lower case, letters, digits and underscores.
    title: its heading on pages.
    settings: the model of its settings. A channel from another package reads `STAGEBELL_<NAME>_<FIELD>`.
    is_ready: whether these suffice for sending; if not, messages are captured.
    needs: the settings that `is_ready` requires, without `STAGEBELL_`.
    providers: makes the providers, the preferred one first; called once in a process, and only if `is_ready`.
    address: the field of a person with their address; empty: `addresses.<name>`.
    canonical: the canonical form of an address of the channel's own kind, given the person's country (ISO 3166) or
        None; raises ValueError for an invalid one, with a text that does not repeat it.
    example: an address that belongs to nobody, made from a number, for simulated orders.
    canonical_sender: the canonical form of a sender that a brand chooses; raises ValueError for an invalid one. None:
        brands cannot choose one.
    medium: how messages look.
    reply_window: for how long after a reader's own message free text may be sent; None: always.
    tells: the last state that its receipts can report: sent, delivered or read.
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
        """The channel as the domain knows it."""
        return ChannelSpec(self.name, self.address, joins=self.medium.has_templates, tells=self.tells)
