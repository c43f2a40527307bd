"""The words of messages that nobody gets: as their readers would see them, codes masked."""

from typing import Final

from service.channels.medium import Facts, Medium, Rendered
from service.channels.registry import medium_of
from service.domain.notices import Message, PlannedNotice
from service.workflows.packs import Pack
from service.workflows.templates import UNRENDERABLE
from service.workflows.values import MASK, template_values

# As long as a tracking link is.
LINK: Final = "https://track.example/t/" + "x" * 30


def words_of(pack: Pack, notice: PlannedNotice, n: Message, brand: str) -> Rendered:
    """What this message says; empty where the pack cannot say it, as such a message is not sent."""
    workflow = pack.workflow.for_brand(notice.context.brand)
    declared = workflow.notices[n.notice]
    values = template_values(
        workflow,
        n.notice,
        notice.context,
        locale=n.locale,
        timezone=n.timezone,
        name=n.name,
        brand=brand,
        link=LINK,
        secrets={declared.secret: MASK} if declared.secret and notice.secret else {},
        audience=n.audience,
        region=n.region,
    )
    medium = medium_of(n.channel)
    try:
        if not medium.has_templates:
            facts = Facts(workflow.name, notice.context.order_id, n.notice, n.audience, notice.at, notice.context)
            return medium.body(facts, values)
        return pack.templates.render(n.locale, n.notice, n.channel, values, workflow.content_in(declared, n.locale))
    except UNRENDERABLE:
        return Rendered("")


def segments_of(pack: Pack, notice: PlannedNotice, n: Message, brand: str) -> int:
    """How many parts it is paid for by: segments of an SMS, one of anything else."""
    medium = medium_of(n.channel)
    if type(medium).parts is Medium.parts:
        return 1
    return max(1, medium.parts(words_of(pack, notice, n, brand)))
