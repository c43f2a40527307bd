"""The texts of simulated messages, as readers would see them; codes are masked."""

from typing import Final

from service.channels.medium import Medium, Rendered
from service.channels.registry import medium_of
from service.domain.notices import Message, PlannedNotice
from service.workflows.packs import Pack
from service.workflows.templates import UNRENDERABLE
from service.workflows.values import MASK, Links
from service.workflows.wording import worded

# As long as a real tracking link.
LINKS: Final = Links("https://track.example/t/" + "x" * 30)


def words_of(pack: Pack, notice: PlannedNotice, n: Message, brand: str) -> Rendered:
    """The text of this message; empty if it cannot be rendered, as such a message is not sent."""
    secret = MASK if notice.secret else None
    try:
        return worded(pack, n, notice.context, notice.at, brand=brand, links=LINKS, secret=secret)
    except UNRENDERABLE:
        return Rendered("")


def segments_of(pack: Pack, notice: PlannedNotice, n: Message, brand: str) -> int:
    """The number of billed parts: the segments of an SMS, 1 for other channels."""
    medium = medium_of(n.channel)
    if type(medium).parts is Medium.parts:
        return 1
    return medium.paid_parts(words_of(pack, notice, n, brand))
