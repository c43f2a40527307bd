"""A brand: under which name, from which senders, in which look and by which channels an order's messages come."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from service.domain.notice_rules import Notice
    from service.domain.workflow import TrackingRules


class Look(Struct, frozen=True):
    """How mails and pages look: `colour` and `ink` (what is read upon it) as `#rrggbb`, `logo` an address or empty."""

    colour: str = "#14532d"
    ink: str = "#ffffff"
    logo: str = ""


USUAL_LOOK: Final = Look()


class Brand(Struct, frozen=True):
    """One of the names that a service speaks for.

    `senders`: by channel, from whom messages come: one for each of the channel's providers, the preferred one first.
    `notices`, `fallback`, `reply_to`, `tracking` stand in place of the workflow's.
    """

    name: str
    title: str
    look: Look
    senders: Mapping[str, tuple[str, ...]]
    notices: Mapping[str, "Notice"]
    fallback: Mapping[str, str]
    reply_to: str
    tracking: "TrackingRules"
