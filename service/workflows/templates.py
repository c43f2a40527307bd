"""Message templates: sandboxed Jinja, HTML escaped, an undefined name is an error; never built from data.

A template file is `<locale>/<notice>.<channel>.j2`. How it becomes a message is its channel's medium. SMS and WhatsApp
files are the text. A push file is the title, then the body from the second line on. An email file fills the blocks
`subject` and `body` (and may fill `action`, the button's words); both its HTML and its plain twin come from that text.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal
from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from service.channels.medium import Rendered
from service.channels.registry import medium_of
from service.domain.workflow import Content
from service.workflows.bounds import BoundedEnvironment, keep_line_ends, within_bounds

LAYOUTS = "_layouts"
# What rendering may raise: the template's own fault, or data that its filters cannot take.
UNRENDERABLE = (TemplateError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
# The whole vocabulary of templates; `stagebell check` refuses any other name.
NAMES = frozenset(
    {
        "brand", "link", "order", "name", "assignee", "previous_assignee", "eta", "appointment", "price",
        "payment", "note", "attributes", "secrets", "status", "stage", "notice", "locale", "audience",
        "people", "contacts", "asked",
    }
)  # fmt: skip


class PackTemplates:
    """The templates of one pack folder and of the layouts shared by all packs, as they were when this was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._texts = {
            path.relative_to(root).as_posix(): (path.read_text(encoding="utf-8"), str(path))
            for root, pattern in ((folder.parent / LAYOUTS, "*.j2"), (folder, "*/*.j2"))
            for path in root.glob(pattern)
        }
        loader = FunctionLoader(self._load)
        self._plain = _environment(loader, escape_html=False)
        self._html = _environment(loader, escape_html=True)

    def _load(self, name: str) -> tuple[str, str, None] | None:
        text, path = self._texts.get(name, ("", ""))
        return (keep_line_ends(text), path, None) if path else None

    def has(self, locale: str, notice: str, channel: str) -> bool:
        """Whether there is a template for this notice."""
        return f"{locale}/{notice}.{channel}.j2" in self._texts

    def source(self, locale: str, notice: str, channel: str) -> Path:
        """Where the template stands."""
        return self.folder / locale / f"{notice}.{channel}.j2"

    def render(
        self, locale: str, notice: str, channel: str, values: Mapping[str, Any], content: Content | None = None
    ) -> Rendered:
        """The message in the words of `locale`; raises jinja2.TemplateError."""
        with within_bounds():
            return self._render(locale, notice, channel, values, content)

    def _render(
        self, locale: str, notice: str, channel: str, values: Mapping[str, Any], content: Content | None
    ) -> Rendered:
        sheet = _Sheet(f"{locale}/{notice}.{channel}.j2", values, content, self._plain, self._html)
        return medium_of(channel).render(sheet)

    def warm(self) -> None:
        """Compile every template now, so that the first message is not the slow one."""
        for name in self.names():
            self.compiled(name)

    def names(self) -> list[str]:
        """The templates of this folder."""
        return [name for name in self._texts if "/" in name]

    def text(self, name: str) -> str:
        """A template as it was written."""
        return self._texts[name][0]

    def parse(self, text: str) -> nodes.Template:
        """A template's syntax tree, to look at the names it uses."""
        return self._plain.parse(text)

    def compiled(self, name: str) -> Template:
        """One compiled template; raises jinja2.TemplateSyntaxError with its line."""
        if name.endswith(".email.j2"):
            self._html.get_template(name)
        return self._plain.get_template(name)


class _Sheet:
    """A template of a pack with the values of one message; see `medium.Sheet`."""

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any],
        content: Content | None,
        plain: BoundedEnvironment,
        html: BoundedEnvironment,
    ) -> None:
        self.content = content
        self._name = name
        self._values = values
        self._plain = plain
        self._html = html

    def text(self, **more: Any) -> str:
        return _tidy(self._plain.get_template(self._name).render({**self._values, **more}))

    def html(self, **more: Any) -> str:
        return self._html.get_template(self._name).render({**self._values, **more})

    def block(self, name: str, **more: Any) -> str:
        template = self._plain.get_template(self._name)
        return "".join(template.blocks[name](template.new_context({**self._values, **more})))

    def phrase(self, source: str) -> str:
        return self._plain.from_string(source).render(self._values)


def _environment(loader: FunctionLoader, *, escape_html: bool) -> BoundedEnvironment:
    environment = BoundedEnvironment(
        loader=loader,
        autoescape=escape_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters.update(
        time=_time, date=_date, moment=_moment, money=_money, number=_number, paragraphs=_paragraphs
    )
    return environment


def _tidy(text: str) -> str:
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.strip().splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _paragraphs(text: str) -> Markup:
    """Blank-line separated text as HTML paragraphs."""
    parts = [p.strip() for p in re.split(r"\n\s*\n", str(escape(text)).strip()) if p.strip()]
    return Markup("").join(Markup("<p>{}</p>\n").format(Markup(p)) for p in parts)  # noqa: S704 - escaped above


def _zone(context: Context) -> tzinfo:
    zone: tzinfo = context.get("zone") or ZoneInfo("UTC")
    return zone


@lru_cache(maxsize=64)
def _babel(locale: str) -> Locale:
    return Locale.parse(locale.replace("-", "_"))


@pass_context
def _time(context: Context, value: datetime) -> str:
    return format_time(value.astimezone(_zone(context)), "short", locale=_babel(context["locale"]))


@pass_context
def _date(context: Context, value: date) -> str:
    if not isinstance(value, datetime):
        return format_date(value, "EEE d MMM", locale=_babel(context["locale"]))
    return format_datetime(value.astimezone(_zone(context)), "EEE d MMM", locale=_babel(context["locale"]))


@pass_context
def _moment(context: Context, value: date) -> str:
    """A day and its time, as `time` writes it (12 or 24 hours); a day alone where no time is known."""
    day = str(_date(context, value))
    return f"{day}, {_time(context, value)}" if isinstance(value, datetime) else day


@pass_context
def _number(context: Context, value: Decimal) -> str:
    return format_decimal(value, locale=_babel(context["locale"]))


@pass_context
def _money(context: Context, value: Mapping[str, str]) -> str:
    amount = Decimal(value["amount"])
    whole = amount == amount.to_integral_value()
    return format_currency(
        amount,
        value["currency"],
        locale=_babel(context["locale"]),
        format="¤#,##,##0" if whole and value["currency"] == "INR" else None,
        currency_digits=not whole,
    )
