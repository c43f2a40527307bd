"""Checks templates against their pack: each exists, compiles, renders with full and with minimal data, and fits."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from service.channels.registry import medium_of
from service.domain.attached import Attached
from service.domain.attributes import AttributeType
from service.domain.events import Appointment, Payment
from service.domain.json_object import JsonObject
from service.domain.notice_rules import Notice
from service.domain.notices import Snapshot
from service.domain.parts import Part
from service.domain.workflow import Workflow
from service.workflows import lint_languages
from service.workflows.source import Finding, Source
from service.workflows.templates import NAMES, UNRENDERABLE, FoundTemplate, PackTemplates
from service.workflows.values import Links, TextReader, template_values

_PROVIDED = NAMES | {"zone", "layout", "subject", "self"}
_SAMPLE_LINK = "https://track.example/t/" + "x" * 30
_SAMPLE_FILE = "0195f1c0-0000-7000-8000-000000000001"
_SAMPLE_ACT_LINK = "https://track.example/a/" + "x" * 32


def check(workflow: Workflow, templates: PackTemplates, source: Source, notice: str = "") -> list[Finding]:
    """All problems of the pack's templates, those of its brands too. `notice`: only of the templates of this one."""
    problems: list[Finding] = []
    seen: set[object] = set()
    for brand in ("", *workflow.brands):
        lived = workflow.for_brand(brand)
        for spec in (n for n in lived.notices.values() if not n.free_text and notice in ("", n.name)):
            for channel in channels_with_templates(lived, spec):
                for locale in workflow.locales:
                    found = templates.find(locale, spec.name, channel, brand)
                    key = found.name if found else (spec.name, channel, locale)
                    if key not in seen:
                        problems += _one(lived, templates, _TemplateUse(spec, channel, locale, brand), found, source)
                    seen.add(key)
    return problems


class _TemplateUse(NamedTuple):
    notice: Notice
    channel: str
    locale: str
    brand: str


def channels_with_templates(workflow: Workflow, notice: Notice) -> list[str]:
    """The channels that need templates of the notice: its own, and their fallbacks."""
    return [c for c in workflow.channels_of(notice) if medium_of(c).has_templates]


def _one(
    workflow: Workflow, templates: PackTemplates, wanted: _TemplateUse, found: FoundTemplate | None, source: Source
) -> Iterator[Finding]:
    notice, channel, locale, brand = wanted
    if found is None:
        file = templates.source(locale, notice.name, channel)
        where = ("brands", brand) if brand else ("notices", notice.name)
        yield source.problem(where, f"notice {notice.name!r} has no {channel} template in {locale!r}: {file}")
        return
    name, file = found.name, templates.folder / found.name
    text = templates.text(name)
    try:
        templates.compiled(name)
    except TemplateSyntaxError as error:
        yield Finding(file, error.lineno, f"template: {error.message}")
        return
    except RecursionError:
        yield Finding(file, 1, "template: parts of it are nested too deeply")
        return
    parsed = templates.parse(text)
    # One walk for all checks, as walking takes longer than the checks.
    used = list(parsed.find_all((nodes.Name, nodes.Getattr, nodes.Filter)))
    names = [node for node in used if isinstance(node, nodes.Name)]
    filters = [node for node in used if isinstance(node, nodes.Filter)]
    broken = [
        *_unknown_names(file, text, parsed, names),
        *_misused_secret(file, used, names, notice),
        *_untyped(file, filters, workflow),
        *lint_languages.counted(file, filters, found.locale),
    ]
    yield from broken
    if not broken:
        yield from _rendered(workflow, templates, wanted, file)


def _unknown_names(file: Path, text: str, parsed: nodes.Template, names: list[nodes.Name]) -> Iterator[Finding]:
    # Most templates use only known names; the expensive analysis is for the others.
    if {name.name for name in names} <= _PROVIDED:
        return
    for name in sorted(meta.find_undeclared_variables(parsed) - _PROVIDED):
        yield Finding(file, _line_of(text, name), f"undefined variable {name!r}; known: {', '.join(sorted(NAMES))}")


def _misused_secret(
    file: Path, used: Iterable[nodes.Node], names: Iterable[nodes.Name], notice: Notice
) -> Iterator[Finding]:
    uses = [name for name in names if name.name == "secrets"]
    if not uses:
        return
    if notice.secret is None:
        yield from (Finding(file, n.lineno, f"uses a secret, but notice {notice.name!r} carries none") for n in uses)
    for get in (node for node in used if isinstance(node, nodes.Getattr)):
        inner = get.node
        used_other = notice.secret and get.attr != notice.secret
        if isinstance(inner, nodes.Name) and inner.name == "secrets" and used_other:
            yield Finding(
                file, get.lineno, f"uses secret {get.attr!r}; notice {notice.name!r} carries {notice.secret!r}"
            )


# The types that each filter needs; a template that guards against a missing attribute renders without it.
_FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    "date": ("date", "datetime"),
    "moment": ("date", "datetime"),
    "time": ("datetime",),
    "number": ("number",),
    "money": ("money",),
    "plural": ("number",),
    "ordinal": ("number",),
}


def _untyped(file: Path, filters: Iterable[nodes.Filter], workflow: Workflow) -> Iterator[Finding]:
    """Attributes that a filter formats, although the pack does not declare a fitting type."""
    for use in filters:
        fitting = _FITTING.get(use.name)
        name = _attribute_of(use.node) if use.node else None
        if not fitting or name is None:
            continue
        declared = workflow.attributes.get(name)
        if declared is None or declared.type not in fitting:
            declaration = f"is declared as {declared.type}" if declared else "is not declared"
            yield Finding(
                file,
                use.lineno,
                f"attributes.{name} | {use.name}: {declaration}; write `attributes: {{{name}: {fitting[0]}}}`",
            )


def _attribute_of(node: nodes.Expr) -> str | None:
    """The x of `attributes.x`, `attributes["x"]` and `attributes.get("x")`."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get" and node.args:
        inner, name = node.node.node, node.args[0]
    elif isinstance(node, nodes.Getattr):
        inner, name = node.node, nodes.Const(node.attr)
    elif isinstance(node, nodes.Getitem):
        inner, name = node.node, node.arg
    else:
        return None
    is_attributes = isinstance(inner, nodes.Name) and inner.name == "attributes"
    return str(name.value) if is_attributes and isinstance(name, nodes.Const) else None


def _line_of(text: str, word: str) -> int:
    pattern = re.compile(rf"\b{re.escape(word)}\b")
    return next((i for i, line in enumerate(text.splitlines(), 1) if pattern.search(line)), 1)


def _rendered(workflow: Workflow, templates: PackTemplates, wanted: _TemplateUse, file: Path) -> Iterator[Finding]:
    notice, channel, locale, brand = wanted
    for label, values in samples(workflow, notice, locale, brand):
        try:
            content = workflow.content_in(notice, locale)
            rendered = templates.render(locale, notice.name, channel, values, content)
        except TemplateError as error:
            line = getattr(error, "lineno", None) or _blamed_line(error, file)
            yield Finding(file, line, f"does not render with {label}: {error}")
            return
        except UNRENDERABLE as error:
            yield Finding(file, 1, f"does not render with {label}: {type(error).__name__}: {error}")
            return
        if why := medium_of(channel).problem(rendered):
            yield Finding(file, 1, f"{why} with {label}")
            return


_SAMPLES: Final[Mapping[AttributeType, Any]] = {
    "text": "text",
    "number": 1250.5,
    "money": {"amount": "12500.00", "currency": "INR"},
    "boolean": True,
    "date": "2026-01-05",
    "datetime": "2026-01-05T10:00:00+00:00",
    "list": ["one", "two"],
    "any": "text",
}


def _blamed_line(error: BaseException, file: Path) -> int:
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def sample_asked(notice: Notice) -> JsonObject:
    """Sample values for what an agent fills in."""
    return {name: _SAMPLES[ask.attribute.type] for name, ask in notice.asks.items()}


def samples(
    workflow: Workflow, notice: Notice, locale: str, brand: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Template values of an order with full and with minimal data, each with a label."""
    full = _full(workflow, notice, brand)
    # An agent's input is present in both cases.
    bare = Snapshot(order_id=full.order_id, status=full.status, stage=full.stage, asked=full.asked, brand=brand)
    secrets = {notice.secret: "481920"} if notice.secret else {}
    audience, files = notice.audiences[0], {_SAMPLE_FILE: _SAMPLE_LINK}
    for label, snapshot, name, act in (
        ("full data", full, "Asha", _SAMPLE_ACT_LINK),
        ("only what every order has", bare, "", ""),
    ):
        reader, links = TextReader(audience, locale, name=name), Links(_SAMPLE_LINK, act, files)
        values = template_values(
            workflow, notice.name, snapshot, reader, brand="Stagebell", links=links, secrets=secrets
        )
        yield label, values


def _full(workflow: Workflow, notice: Notice, brand: str) -> Snapshot:
    """An order with full data, in the first status of its workflow."""
    now = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
    first = next(iter(workflow.statuses.values()))
    return Snapshot(
        order_id="ORD-1001",
        status=first.name,
        stage=first.stage,
        assignee={"name": "Ravi", "role": "vendor", "phone": "+919800000000"},
        previous_assignee="Meera",
        eta=now,
        appointment=Appointment(now, now + timedelta(hours=2)),
        price={"amount": "12500.00", "currency": "INR"},
        payment=Payment(verified=True),
        note="A note.",
        attachments=(Attached(_SAMPLE_FILE, "photo.jpg"),),
        parent="ORD-1000",
        parts=(Part(workflow.name, "ORD-1001-1", first.name, first.stage, now, eta=now),) if workflow.parts else (),
        people=dict.fromkeys(("customer", *notice.audiences), "Asha"),
        attributes={name: _SAMPLES[a.type] for name, a in workflow.attributes.items()},
        contacts={a: {"name": "Asha", "phone": "+919800000000", "email": "a@example.com"} for a in workflow.contacts},
        asked=sample_asked(notice),
        brand=brand,
    )
