"""The values a template gets: the order's snapshot, the reader, the brand and the link."""

from collections.abc import Mapping
from typing import Final

from service.domain import asking, attributes
from service.domain.brands import USUAL_LOOK
from service.domain.calendars import zone_of
from service.domain.json_object import JsonObject
from service.domain.lists import ListState
from service.domain.notices import Snapshot
from service.domain.parts import Part
from service.domain.workflow import Workflow

MASK = "••••••"
NO_LINKS: Final[Mapping[str, str]] = {}


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
    audience: str,
    region: str = "",
    file_links: Mapping[str, str] = NO_LINKS,
    act_link: str = "",
) -> JsonObject:
    """Everything in `templates.NAMES` but `dir`, and the reader's time zone and country for the filters.

    `brand`: the service's own name, for orders of no brand of the pack. `file_links`: of the note's files, by id.
    `act_link`: the page of whoever handles the order, where the reader is them.
    """
    chosen = workflow.brands.get(snapshot.brand)
    titles = workflow.stages[snapshot.stage].titles if snapshot.stage in workflow.stages else {}
    return {
        "brand": chosen.title if chosen else brand,
        "look": chosen.look if chosen else USUAL_LOOK,
        "of_brand": chosen.name if chosen else "",
        "link": link,
        "act_link": act_link,
        "order": {"id": snapshot.order_id},
        "name": name,
        "assignee": snapshot.assignee,
        "previous_assignee": snapshot.previous_assignee,
        "eta": snapshot.eta,
        "appointment": snapshot.appointment,
        "price": snapshot.price,
        "payment": snapshot.payment,
        "note": snapshot.note,
        "attachments": [
            {"name": a.name, "link": file_links.get(a.id, "")} for a in snapshot.attachments if a.id in file_links
        ],
        "attributes": {
            **attributes.values(snapshot.attributes, workflow.attributes),
            **_chosen(workflow, snapshot, locale),
        },
        "secrets": secrets,
        "status": snapshot.status,
        "stage": workflow.title_in(titles, locale, snapshot.stage),
        "notice": notice,
        "locale": locale,
        "audience": audience,
        "people": snapshot.people,
        "contacts": snapshot.contacts,
        "parent": snapshot.parent,
        "parts": [_part(workflow, locale, part) for part in snapshot.parts],
        "replies": _replies(workflow, notice, snapshot, locale, link),
        "lists": {name: _size(snapshot, name) for name in workflow.lists},
        "asked": asking.values(workflow.notices.get(notice), snapshot.asked),
        "region": region,
        "zone": zone_of(timezone, workflow.timezone),
    }


def _chosen(workflow: Workflow, snapshot: Snapshot, locale: str) -> dict[str, str]:
    """The titles of those attributes whose value is one of the pack's choices."""
    said = ((n, snapshot.attributes.get(n), a.choices) for n, a in workflow.attributes.items() if a.choices)
    return {
        name: workflow.title_in(choices[value], locale, value)
        for name, value, choices in said
        if isinstance(value, str) and value in choices
    }


def _part(workflow: Workflow, locale: str, part: Part) -> JsonObject:
    """A part as templates see it; of another workflow, whose titles stand in its own pack, the stage's name."""
    stage = workflow.stages.get(part.stage) if part.workflow == workflow.name else None
    return {
        "id": part.reference,
        "status": part.status,
        "stage": workflow.title_in(stage.titles, locale, part.stage) if stage else part.stage,
        "eta": part.eta,
        "final": part.final,
        "failed": part.failed,
    }


def _size(snapshot: Snapshot, name: str) -> dict[str, int]:
    """How many rows a list has, and how many came last."""
    state = snapshot.lists.get(name, ListState())
    return {"count": state.count, "added": state.added}


def _replies(workflow: Workflow, notice: str, snapshot: Snapshot, locale: str, link: str) -> list[dict[str, str]]:
    """What the notice offers to say, each with its words and a link, which shows and never acts."""
    offered = workflow.notices[notice].replies if notice in workflow.notices else ()
    meant = (r for name in offered if name not in snapshot.withheld and (r := workflow.replies.get(name)))
    found = [r for r in meant if snapshot.status in r.statuses]
    return [{"title": workflow.title_in(r.titles, locale, r.name), "link": f"{link}/replies/{r.name}"} for r in found]
