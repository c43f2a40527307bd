"""A brand: the name, senders, look and channels of an order's messages. Frozen data only."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from service.domain.notice_rules import Notice
    from service.domain.workflow import TrackingRules


class Look(Struct, frozen=True):
    """The look of mails and pages: `colour` and `ink` (the text on it) as `#rrggbb`; `logo`: an address, or empty."""

    colour: str = "#14532d"
    ink: str = "#ffffff"
    logo: str = ""


USUAL_LOOK: Final = Look()


class Brand(Struct, frozen=True):
    """One of the brands that a service speaks for.

    `senders`: by channel, from whom messages come: one for each of the channel's providers, the preferred one first.
    `notices`, `fallback`, `reply_to` and `tracking` replace those of the workflow.
    """

    name: str
    title: str
    look: Look
    senders: Mapping[str, tuple[str, ...]]
    notices: Mapping[str, "Notice"]
    fallback: Mapping[str, str]
    reply_to: str
    tracking: "TrackingRules"
