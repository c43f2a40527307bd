"""The forms by which people act on an order at the desk: one for each act that they may do now."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, structs

from service.domain.acting import CREATE, Offer, StatusOffered, by_events_alone
from service.domain.acts import Act
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.web.act_inputs import ActInput, Asking, names_one, retyped
from service.web.acts import MATTERS
from service.web.desk.titles import Titles, plain
from service.web.params import Form

WORDS: Final = {
    "eta": "Expected at", "start": "Appointment from", "end": "Appointment until", "price": "Price",
    "currency": "Currency", "note": "Note", "public": "The customer may see the note", "role": "Role",
    "person": "Name", "id": "Id, where they have one", "phone": "Phone", "email": "Mail address", "what": "Line",
    "cost": "Cost", "yes": "Yes", "no": "No",
}  # fmt: skip
NOTES: Final = ("note", "comment")
_BUTTONS: Final = {"assign": "Assign", "set_dates": "Set dates", "quote": "Quote", CREATE: "New order"}


class ActForm(Struct, frozen=True):
    """One form. `key`: its name on the page; `problem`: a problem of the form as a whole."""

    key: str
    act: str
    status: str
    title: str
    inputs: Sequence[ActInput]
    problem: str = ""
    is_open: bool = False
    myself: bool = False


class Changed(Struct, frozen=True):
    """Something that happened to the order while somebody filled in a form."""

    at: datetime
    text: str
    by: str


class Work(Struct, frozen=True):
    """The acts that may be done to an order now.

    `codes`: titles of what follows with a one-time code, which nobody types here. `sides`: whom a comment may be for.
    `problem`, `changed`, `kept`: why the last act was not done, what happened meanwhile, and the words that were typed.
    """

    forms: Sequence[ActForm]
    codes: Sequence[str]
    may_note: bool
    sides: Sequence[str]
    problem: str = ""
    changed: Sequence[Changed] = ()
    kept: Sequence[str] = ()
    note: str = ""


def work(titles: Titles, workflow: Workflow, order: Order, offers: Iterable[Offer]) -> Work:
    """The forms of what is offered."""
    offers = list(offers)
    by_name = {o.act: o for o in offers}
    asking = Asking(workflow, workflow.default_locale, WORDS, order)
    forms = [f for o in offers if o.act not in NOTES for f in _forms(titles, asking, workflow.acts[o.act], o)]
    comment = by_name.get("comment")
    return Work(
        forms,
        [titles.status(workflow.name, s) for s in by_events_alone(workflow, order)]
        if "change_status" in by_name
        else [],
        "note" in by_name,
        comment.sides if comment else (),
    )


def _forms(titles: Titles, asking: Asking, act: Act, offer: Offer) -> list[ActForm]:
    if act.name == "change_status":
        return [_status_form(titles, asking, act, s) for s in offer.to]
    title = offer.title or _BUTTONS.get(act.name, plain(act.name))
    if act.name == "assign":
        return [ActForm(act.name, act.name, "", title, asking.inputs(["assignee"], ["assignee"]), myself=True)]
    asking, first = structs.replace(asking, lines=act.lines), [f"attributes.{act.lines}"] if act.lines else []
    return [ActForm(act.name, act.name, "", title, asking.inputs([*first, *act.sets, "note"]))]


def _status_form(titles: Titles, asking: Asking, act: Act, offered: StatusOffered) -> ActForm:
    title = offered.title or titles.status(asking.workflow.name, offered.status)
    inputs = asking.inputs([*act.asks(offered.status), "note"], offered.needs)
    return ActForm(f"{act.name}.{offered.status}", act.name, offered.status, title, inputs)


def refused(on_page: Work, form: Form, problem: str, changed: Sequence[Changed]) -> Work:
    """The same page's forms with what was typed, and why it was not done."""
    key = form.get("form", "")
    found = next((f for f in on_page.forms if f.key == key), None)
    if found is None:
        text = form.get("text", "").strip()
        kept = [v for k, v in form.items() if k.endswith(("note.text", ".what")) and v.strip()]
        return structs.replace(on_page, problem=problem, changed=changed, kept=kept, note=text)
    inputs = retyped(found.inputs, form, problem)
    there = structs.replace(found, inputs=inputs, is_open=True, problem="" if names_one(inputs) else problem)
    forms = [there if f is found else f for f in on_page.forms]
    # Changes of the order are shown first; a field's own problem is shown beside it.
    return structs.replace(on_page, forms=forms, changed=changed)


def happened(titles: Titles, workflow: str, lines: Iterable[Mapping[str, Any]]) -> list[Changed]:
    """The relevant ones of the lines that were added to the order's timeline."""
    return [_changed(titles, workflow, line) for line in lines if line["kind"] in MATTERS]


def _changed(titles: Titles, workflow: str, line: Mapping[str, Any]) -> Changed:
    kind, note = str(line["kind"]), str(line.get("note") or "")
    if "to" in line and kind.startswith("status"):
        text = titles.status(workflow, str(line["to"]))
    elif kind == "reassigned":
        text = f"Handled by {line.get('to', 'somebody else')}"
    else:
        text = plain(kind)
    return Changed(line["at"], f"{text}: {note}" if note else text, str(line.get("by") or ""))
