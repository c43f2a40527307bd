"""The values for a template: the order's snapshot, the reader, the brand and the links."""

from collections.abc import Mapping

from msgspec import Struct

from service.domain import asking, attributes
from service.domain.brands import USUAL_LOOK
from service.domain.calendars import zone_of
from service.domain.json_object import JsonObject
from service.domain.lists import ListState
from service.domain.notices import Message, Snapshot
from service.domain.parts import Part
from service.domain.workflow import Workflow

MASK = "••••••"


class TextReader(Struct, frozen=True):
    """The reader of a text. `region`: for formats of numbers and times (ISO 3166, or 419).

    `timezone`: the reader's (IANA); if empty, the pack's is used.
    """

    audience: str
    locale: str
    timezone: str = ""
    name: str = ""
    region: str = ""

    @classmethod
    def of(cls, n: Message) -> "TextReader":
        """The recipient of a message."""
        return cls(n.audience, n.locale, n.timezone, n.name, n.region)


class Links(Struct, frozen=True):
    """The links that a text may contain.

    `tracking`: the order's page for customers. `act`: the assignee's page. `files`: those of the note, by the file's
    id.
    """

    tracking: str
    act: str = ""
    files: Mapping[str, str] = {}


def template_values(
    workflow: Workflow,
    notice: str,
    snapshot: Snapshot,
    reader: TextReader,
    *,
    brand: str,
    links: Links,
    secrets: Mapping[str, str],
) -> JsonObject:
    """All values of `templates.NAMES` but `dir`, and the reader's time zone and country for the filters.

    `brand`: the default name, for orders without a brand. `secrets`: one-time codes, by name.
    """
    chosen = workflow.brands.get(snapshot.brand)
    return {
        **_of_order(workflow, snapshot, reader.locale),
        "brand": chosen.title if chosen else brand,
        "look": chosen.look if chosen else USUAL_LOOK,
        "of_brand": chosen.name if chosen else "",
        "link": links.tracking,
        "act_link": links.act,
        "attachments": [
            {"name": a.name, "link": links.files[a.id]} for a in snapshot.attachments if a.id in links.files
        ],
        "name": reader.name,
        "locale": reader.locale,
        "audience": reader.audience,
        "region": reader.region,
        "zone": zone_of(reader.timezone, workflow.timezone),
        "secrets": secrets,
        "notice": notice,
        "replies": _replies(workflow, notice, snapshot, reader.locale, links.tracking),
        "asked": asking.values(workflow.notices.get(notice), snapshot.asked),
    }


def _of_order(workflow: Workflow, snapshot: Snapshot, locale: str) -> JsonObject:
    """The values that describe the order, independent of the reader; titles in `locale`."""
    titles = workflow.stages[snapshot.stage].titles if snapshot.stage in workflow.stages else {}
    declared = attributes.values(snapshot.attributes, workflow.attributes)
    return {
        "order": {"id": snapshot.order_id},
        "status": snapshot.status,
        "stage": workflow.title_in(titles, locale, snapshot.stage),
        "assignee": snapshot.assignee,
        "previous_assignee": snapshot.previous_assignee,
        "eta": snapshot.eta,
        "appointment": snapshot.appointment,
        "price": snapshot.price,
        "payment": snapshot.payment,
        "note": snapshot.note,
        "attributes": {**declared, **_chosen(workflow, snapshot, locale)},
        "people": snapshot.people,
        "contacts": snapshot.contacts,
        "parent": snapshot.parent,
        "parts": [_part(workflow, locale, part) for part in snapshot.parts],
        "lists": {name: _size(snapshot, name) for name in workflow.lists},
    }


def _chosen(workflow: Workflow, snapshot: Snapshot, locale: str) -> dict[str, str]:
    """The titles of attributes whose value is one of the pack's choices."""
    chosen = ((n, snapshot.attributes.get(n), a.choices) for n, a in workflow.attributes.items() if a.choices)
    return {
        name: workflow.title_in(choices[value], locale, value)
        for name, value, choices in chosen
        if isinstance(value, str) and value in choices
    }


def _part(workflow: Workflow, locale: str, part: Part) -> JsonObject:
    """A part for templates; for a part of another workflow, whose titles are in its own pack, the stage's name."""
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
    """The number of rows of a list, and of those added last."""
    state = snapshot.lists.get(name, ListState())
    return {"count": state.count, "added": state.added}


def _replies(workflow: Workflow, notice: str, snapshot: Snapshot, locale: str, link: str) -> list[dict[str, str]]:
    """The replies that the notice offers, with their titles and a link, which shows a page and does not act."""
    offered = workflow.notices[notice].replies if notice in workflow.notices else ()
    meant = (r for name in offered if name not in snapshot.withheld and (r := workflow.replies.get(name)))
    found = [r for r in meant if snapshot.status in r.statuses]
    return [{"title": workflow.title_in(r.titles, locale, r.name), "link": f"{link}/replies/{r.name}"} for r in found]
