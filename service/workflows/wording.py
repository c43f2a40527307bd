"""The text of one message, for sending, previews and comparisons."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import structs

from service.channels.medium import Facts, Rendered
from service.channels.registry import medium_of
from service.domain.notices import Message, Snapshot
from service.workflows.packs import Pack
from service.workflows.values import Links, TextReader, template_values

LONGEST_TITLE = 500


def worded(
    pack: Pack,
    n: Message,
    snapshot: Snapshot,
    notice_at: datetime,
    *,
    brand: str,
    links: Links,
    secret: str | None,
) -> Rendered:
    """The rendered message, with `secret` in place of the code; raises the errors of rendering (`UNRENDERABLE`)."""
    workflow = pack.workflow.for_brand(snapshot.brand)
    notice = workflow.notices[n.notice]
    secrets: Mapping[str, str] = {notice.secret: secret} if notice.secret and secret else {}
    values = template_values(
        workflow,
        n.notice,
        snapshot,
        TextReader.of(n),
        brand=brand,
        links=links,
        secrets=secrets,
    )
    medium = medium_of(n.channel)
    if not medium.has_templates:
        facts = Facts(workflow.name, snapshot.order_id, n.notice, n.audience, notice_at, snapshot)
        return medium.body(facts, values)
    if notice.free_text:
        return pack.templates.write(n.channel, values)
    content = workflow.content_in(notice, n.locale)
    rendered = pack.templates.render(n.locale, n.notice, n.channel, values, content)
    return structs.replace(rendered, title=rendered.title[:LONGEST_TITLE])
