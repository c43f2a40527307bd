"""The form fields by which people act on orders: built from the pack, and read back into an act.

Used by the desk and by the assignee's page. An empty field is not sent: it leaves the order's value as it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from babel.core import get_global
from msgspec import Struct, structs

from service.domain.attributes import Attribute
from service.domain.errors import Rejection
from service.domain.events import Appointment, AssigneeGiven, Note, Price
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.web.params import Form

Kind = Literal["text", "words", "datetime", "date", "decimal", "currency", "choice", "tick", "email", "phone"]
ATTRIBUTES: Final = "attributes."
# How many lines a quote's form has; longer quotes go through the API.
LINES: Final = 6
MOST_LETTERS: Final = 2000
_AMOUNT: Final = re.compile(r"^\d{1,15}([.,]\d{1,4})?$")
_CURRENCY: Final = re.compile(r"^[A-Z]{3}$")
_LINE: Final = "lines"


class ActInput(Struct, frozen=True):
    """One field. `path`: the value of the act that it is for, or a part of; `problem`: what was wrong with it."""

    name: str
    path: str
    title: str
    kind: Kind
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    value: str = ""
    problem: str = ""
    line: int = 0


class Asking(Struct, frozen=True):
    """What a form is built from: the order's pack, its language, and the labels of what every order has.

    `words` names `eta`, `start`, `end`, `price`, `currency`, `note`, `public`, `role`, `person`, `id`, `phone`,
    `email`, `what`, `cost`, `yes` and `no`.
    """

    workflow: Workflow
    locale: str
    words: Mapping[str, str]
    order: Order | None = None
    lines: str = ""

    def inputs(self, paths: Iterable[str], needed: Sequence[str] = ()) -> list[ActInput]:
        """The fields for these values, required ones first."""
        wanted = dict.fromkeys((*(p for p in needed if p != "note"), *paths))
        wanted.pop("note", None)
        wanted["note"] = None
        shown_paths = [p for p in wanted if p != "note" or "note" in (*paths, *needed)]
        return [i for path in shown_paths for i in self._fields(path, path in needed)]

    def _fields(self, path: str, required: bool) -> Iterator[ActInput]:
        w = self.words
        if path == "eta":
            yield ActInput("eta", path, w["eta"], "datetime", required)
        elif path == "appointment":
            yield ActInput("appointment.start", path, w["start"], "datetime", required)
            yield ActInput("appointment.end", path, w["end"], "datetime")
        elif path == "price":
            yield ActInput("price.amount", path, w["price"], "decimal", required)
            yield ActInput("price.currency", path, w["currency"], "currency", value=self._currency())
        elif path == "note":
            yield ActInput("note.text", path, w["note"], "words", required)
            if w.get("public"):
                yield ActInput("note.public", path, w["public"], "tick")
        elif path == "assignee":
            yield from self._assignee(required)
        elif path.startswith(ATTRIBUTES):
            attribute = self.workflow.attributes[path.removeprefix(ATTRIBUTES)]
            if attribute.name == self.lines:
                yield from self._lines(path)
            else:
                yield from self._attribute(path, attribute, required)

    def _assignee(self, required: bool) -> Iterator[ActInput]:
        w, act = self.words, self.workflow.acts.get("assign")
        roles = act.to if act and act.to else tuple(self._roles())
        if len(roles) == 1:
            yield ActInput("assignee.role", "assignee", w["role"], "choice", value=roles[0])
        else:
            choices = tuple((r, r.replace("_", " ")) for r in roles)
            yield ActInput("assignee.role", "assignee", w["role"], "choice", required, choices)
        yield ActInput("assignee.name", "assignee", w["person"], "text", required)
        yield ActInput("assignee.id", "assignee", w["id"], "text")
        yield ActInput("assignee.phone", "assignee", w["phone"], "phone")
        yield ActInput("assignee.email", "assignee", w["email"], "email")

    def _roles(self) -> Iterator[str]:
        """The roles that may handle an order where the pack names none: those that its notices tell of assignments."""
        for n in self.workflow.notices.values():
            for role in (n.on_assigned, n.on_assignee_change):
                if role and role != "assignee":
                    yield role
        if self.order and self.order.assignee:
            yield self.order.assignee.role

    def _lines(self, path: str) -> Iterator[ActInput]:
        for n in range(1, LINES + 1):
            yield ActInput(f"{_LINE}.{n}.what", path, self.words["what"], "text", line=n)
            yield ActInput(f"{_LINE}.{n}.cost", path, self.words["cost"], "decimal", line=n)

    def _attribute(self, path: str, attribute: Attribute, required: bool) -> Iterator[ActInput]:
        w = self.workflow
        title = w.title_in(attribute.titles, self.locale, attribute.name.replace("_", " ").capitalize())
        if attribute.choices:
            choices = tuple((name, w.title_in(t, self.locale, name)) for name, t in attribute.choices.items())
            yield ActInput(path, path, title, "choice", required, choices)
        elif attribute.type == "boolean":
            choices = (("true", self.words["yes"]), ("false", self.words["no"]))
            yield ActInput(path, path, title, "choice", required, choices)
        elif attribute.type == "money":
            yield ActInput(f"{path}.amount", path, title, "decimal", required)
            yield ActInput(f"{path}.currency", path, self.words["currency"], "currency", value=self._currency())
        elif attribute.type in ("date", "datetime"):
            yield ActInput(path, path, title, "date" if attribute.type == "date" else "datetime", required)
        else:
            yield ActInput(path, path, title, "decimal" if attribute.type == "number" else "text", required)

    def _currency(self) -> str:
        if self.order is not None and self.order.price is not None:
            return self.order.price.currency
        current = (c for c, _, until, tender in _currencies(self.workflow.region) if until is None and tender)
        return next(current, "")


def _currencies(region: str) -> list[tuple[str, Any, Any, bool]]:
    """A country's currencies, with the dates from and to which each is used, and whether it is legal tender (CLDR)."""
    found: list[tuple[str, Any, Any, bool]] = get_global("territory_currencies").get(region, [])
    return found


def retyped(inputs: Sequence[ActInput], form: Form, problem: str) -> list[ActInput]:
    """The fields as they were filled in, with the problem beside the field that it names."""
    where, _, message = problem.partition(": ")
    typed = {i.name for i in inputs if i.name in form or i.kind == "tick"}
    refilled = [structs.replace(i, value=form.get(i.name, "")) if i.name in typed else i for i in inputs]
    exactly = (n for n, i in enumerate(refilled) if where and where == i.name)
    nearly = (n for n, i in enumerate(refilled) if where and where in (i.path, i.path.removeprefix(ATTRIBUTES)))
    at = next(chain(exactly, nearly), None)
    if at is not None:
        refilled[at] = structs.replace(refilled[at], problem=message)
    return refilled


def names_one(inputs: Iterable[ActInput]) -> bool:
    """Whether a problem is shown beside one of these fields."""
    return any(i.problem for i in inputs)


def given_in(form: Form, inputs: Sequence[ActInput], attributes: Mapping[str, Attribute], zone: ZoneInfo) -> JsonObject:
    """The form's values as an act takes them: `eta`, `appointment`, `price`, `note`, `assignee`, `attributes`.

    Raises Rejection that begins with the field's name.
    """
    fields = {i.name: text for i in inputs if (text := form.get(i.name, "").strip())}
    given: JsonObject = {}
    if "eta" in fields:
        given["eta"] = moment(fields, "eta", zone)
    if {"appointment.start", "appointment.end"} & fields.keys():
        given["appointment"] = _appointment(fields, zone)
    if "price.amount" in fields:
        given["price"] = Price(**_money(fields, "price"))
    if "note.text" in fields:
        given["note"] = Note(fields["note.text"][:MOST_LETTERS], fields.get("note.public") == "true")
    if fields.keys() & {f"assignee.{part}" for part in ("name", "id", "phone", "email")}:
        given["assignee"] = _assignee(fields)
    found = _attributes(fields, inputs, attributes, zone)
    lines = _quote_lines(fields, inputs)
    if lines:
        path, rows, total = lines
        found[path.removeprefix(ATTRIBUTES)] = rows
        if total and "price" not in given:
            given["price"] = Price(total, _currency(fields, "price.currency"))
    if found:
        given["attributes"] = found
    return given


def moment(fields: Mapping[str, str], name: str, zone: ZoneInfo) -> datetime:
    """A local date and time in this zone, as UTC; raises Rejection for anything else, or an hour skipped by DST."""
    try:
        local = datetime.fromisoformat(fields[name])
    except ValueError:
        raise Rejection(f"{name}: a day and a time are expected, such as 2026-12-27T10:00") from None
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != local:
        raise Rejection(f"{name}: there is no such hour on that day in {zone.key}: the clocks go forward")
    return at


def _appointment(fields: Mapping[str, str], zone: ZoneInfo) -> Appointment:
    if "appointment.start" not in fields:
        raise Rejection("appointment.start: the start is needed, too")
    start = moment(fields, "appointment.start", zone)
    end = moment(fields, "appointment.end", zone) if "appointment.end" in fields else None
    if end is not None and end <= start:
        raise Rejection("appointment.end: it ends before it begins")
    return Appointment(start, end)


def _money(fields: Mapping[str, str], path: str) -> dict[str, str]:
    return {"amount": _amount(fields, f"{path}.amount"), "currency": _currency(fields, f"{path}.currency")}


def _amount(fields: Mapping[str, str], name: str) -> str:
    text = re.sub(r"[\s\u00a0\u202f]", "", fields[name])
    if not _AMOUNT.match(text):
        raise Rejection(f"{name}: an amount is expected, such as 1250.00")
    return text.replace(",", ".")


def _currency(fields: Mapping[str, str], name: str) -> str:
    text = fields.get(name, "").upper()
    if not _CURRENCY.match(text):
        raise Rejection(f"{name}: three letters are expected, such as EUR")
    return text


def _assignee(fields: Mapping[str, str]) -> AssigneeGiven:
    """The chosen assignee; one without an id is identified by their address or name."""
    part = {p: fields[f"assignee.{p}"] for p in ("email", "phone", "name") if f"assignee.{p}" in fields}
    role = fields.get("assignee.role")
    if not role:
        raise Rejection("assignee.role: choose a role")
    known_by = fields.get("assignee.id") or next(iter(part.values()))
    return msgspec.convert({**part, "role": role, "id": known_by}, AssigneeGiven)


def _attributes(
    fields: Mapping[str, str], inputs: Iterable[ActInput], attributes: Mapping[str, Attribute], zone: ZoneInfo
) -> JsonObject:
    found: JsonObject = {}
    for path in dict.fromkeys(i.path for i in inputs if i.path.startswith(ATTRIBUTES) and not i.line):
        attribute = attributes[path.removeprefix(ATTRIBUTES)]
        if attribute.type == "money":
            if f"{path}.amount" in fields:
                found[attribute.name] = _money(fields, path)
        elif path in fields:
            found[attribute.name] = _attribute(attribute, fields, path, zone)
    return found


def _attribute(attribute: Attribute, fields: Mapping[str, str], path: str, zone: ZoneInfo) -> Any:
    match attribute.type:
        case "list":
            return [part.strip() for part in fields[path].split(",") if part.strip()]
        case "number":
            return fields[path].replace(",", ".")
        case "boolean":
            return fields[path] == "true"
        case "datetime":
            return moment(fields, path, zone).isoformat()
        case _:
            return fields[path]


def _quote_lines(fields: Mapping[str, str], inputs: Iterable[ActInput]) -> tuple[str, list[JsonObject], str] | None:
    """The attribute that holds the quote's lines, the lines, and their total; None where no line was filled in."""
    rows: list[JsonObject] = []
    path, total = "", Decimal(0)
    for i in inputs:
        if not i.line or not i.name.endswith(".what"):
            continue
        path, cost = i.path, i.name.replace(".what", ".cost")
        if i.name not in fields and cost not in fields:
            continue
        if i.name not in fields:
            raise Rejection(f"{i.name}: say what this cost is for")
        row: JsonObject = {"what": fields[i.name]}
        if cost in fields:
            amount = _amount(fields, cost)
            row["cost"] = {"amount": amount, "currency": _currency(fields, "price.currency")}
            total += Decimal(amount)
        rows.append(row)
    cents = total.quantize(Decimal("0.01"))
    return (path, rows, str(cents if cents == total else total) if total else "") if rows else None
