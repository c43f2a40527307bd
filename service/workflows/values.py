"""The values a template gets: the order's snapshot, the reader, the brand and the link."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.notices import Snapshot
from service.domain.workflow import Workflow

MASK = "••••••"


@lru_cache(maxsize=256)
def zone_of(name: str, fallback: str) -> ZoneInfo:
    """A recipient's time zone, or the workflow's when it is unknown."""
    try:
        return ZoneInfo(name or fallback)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(fallback)


def template_values(
    workflow: Workflow,
    notice: str,
    snapshot: Snapshot,
    *,
    locale: str,
    timezone: str,
    name: str,
    brand: str,
    link: str,
    secrets: Mapping[str, str],
) -> dict[str, Any]:
    """Everything in `templates.NAMES`, and the reader's time zone for the date filters."""
    titles = workflow.stages[snapshot.stage].titles if snapshot.stage in workflow.stages else {}
    return {
        "brand": brand,
        "link": link,
        "order": {"id": snapshot.order_id},
        "name": name,
        "assignee": snapshot.assignee,
        "previous_assignee": snapshot.previous_assignee,
        "eta": snapshot.eta,
        "appointment": snapshot.appointment,
        "price": snapshot.price,
        "payment": snapshot.payment,
        "note": snapshot.note,
        "issue": snapshot.issue,
        "attributes": snapshot.attributes,
        "secrets": secrets,
        "status": snapshot.status,
        "stage": titles.get(locale, snapshot.stage),
        "notice": notice,
        "locale": locale,
        "zone": zone_of(timezone, workflow.timezone),
    }
