"""Message templates: sandboxed Jinja, HTML escaped, an undefined name is an error; never built from data.

A template file is `<locale>/<notice>.<channel>.j2`. How it becomes a message is its channel's medium. SMS and WhatsApp
files are the text. A push file is the title, then the body from the second line on. An email file fills the blocks
`subject` and `body` (and may fill `action`, the button's words); both its HTML and its plain twin come from that text.
"""

import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateError, nodes

from service.channels import registry
from service.channels.medium import Rendered
from service.channels.registry import medium_of
from service.domain.brands import USUAL_LOOK
from service.domain.json_object import JsonObject
from service.domain.notice_rules import Content
from service.workflows import bidi, bounds, cldr
from service.workflows.bounds import BoundedEnvironment, nothing_isolated, within_bounds
from service.workflows.bytecode import CompiledTemplates
from service.workflows.filters import FILTERS
from service.workflows.line_ends import keep_line_ends

_BLANKS = re.compile(r"[ \t]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
LAYOUTS = "_layouts"
BRANDS = "brands"
# Below a pack's folder: its own words, and those of its brands.
TEMPLATES = ("*/*.j2", f"{BRANDS}/*/*/*.j2")
# What rendering may raise: the template's own fault, or data that its filters cannot take.
UNRENDERABLE = (TemplateError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
# The whole vocabulary of templates; `stagebell check` refuses any other name.
NAMES = frozenset(
    {
        "brand", "link", "order", "name", "assignee", "previous_assignee", "eta", "appointment", "price",
        "payment", "note", "attachments", "attributes", "secrets", "status", "stage", "notice", "locale", "audience",
        "people", "contacts", "asked", "dir", "lists", "look", "replies", "parent", "parts", "act_link",
    }
)  # fmt: skip


class Found(NamedTuple):
    """A template's name below its folder, and the language that it is in."""

    name: str
    locale: str


class PackTemplates:
    """The templates of one pack folder and of the layouts shared by all packs, as they were when this was made.

    `chains`: by language, those of the pack that stand in for it, nearest first, where it lacks a template.
    """

    def __init__(self, folder: Path, chains: Mapping[str, Sequence[str]] | None = None) -> None:
        self.folder = folder
        self._chains = chains or {}
        self._texts = {
            path.relative_to(root).as_posix(): (path.read_text(encoding="utf-8"), str(path))
            for root, patterns in ((folder.parent / LAYOUTS, ("*.j2",)), (folder, TEMPLATES))
            for pattern in patterns
            for path in root.glob(pattern)
        }
        self._texts |= {_free(c.name): (c.medium.free_text, "free text") for c in registry.channels().values()}
        self._compile_anew()

    def _compile_anew(self) -> None:
        loader = FunctionLoader(self._load)
        self._plain = _environment(loader, escape_html=False)
        self._html = _environment(loader, escape_html=True)

    def with_texts(self, texts: Mapping[str, str | None]) -> "PackTemplates":
        """The same with these in the places of its own, by name below the folder; None: without it."""
        made = copy(self)
        gone = {name for name, text in texts.items() if text is None}
        put = {name: (text, str(self.folder / name)) for name, text in texts.items() if text is not None}
        made._texts = {name: found for name, found in {**self._texts, **put}.items() if name not in gone}
        made._compile_anew()
        return made

    def _load(self, name: str) -> tuple[str, str, None] | None:
        text, path = self._texts.get(name, ("", ""))
        return (keep_line_ends(text), path, None) if path else None

    def find(self, locale: str, notice: str, channel: str, brand: str = "") -> Found | None:
        """The template for this notice, in its language or the first that speaks for it; a brand's own words first."""
        folders = ("", f"{BRANDS}/{brand}/") if brand else ("",)
        for spoken in self._chains.get(locale) or (locale,):
            for folder in reversed(folders):
                name = f"{folder}{spoken}/{notice}.{channel}.j2"
                if name in self._texts:
                    return Found(name, spoken)
        return None

    def source(self, locale: str, notice: str, channel: str) -> Path:
        """Where the template stands, or would stand."""
        return self.folder / locale / f"{notice}.{channel}.j2"

    def render(
        self, locale: str, notice: str, channel: str, values: Mapping[str, Any], content: Content | None = None
    ) -> Rendered:
        """The message in the words of `locale`; raises jinja2.TemplateError."""
        found = self.find(locale, notice, channel, values.get("of_brand", "")) or Found(
            f"{locale}/{notice}.{channel}.j2", locale
        )
        values = _laid_out(values, found.locale)
        if found.locale != locale:
            values["locale"] = found.locale
        with within_bounds(values["dir"]):
            return medium_of(channel).render(_Sheet(found.name, values, content, self._plain, self._html))

    def write(self, channel: str, values: Mapping[str, Any]) -> Rendered:
        """What an agent wrote (`asked.text`), as this channel's readers see it; raises jinja2.TemplateError."""
        values = _laid_out(values, values["locale"])
        with within_bounds(values["dir"]):
            return medium_of(channel).render(_Sheet(_free(channel), values, None, self._plain, self._html))

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

    def text_of(self, name: str) -> str | None:
        """The same, or None where there is none of this name."""
        return self._texts[name][0] if name in self._texts else None

    def same_text(self, other: "PackTemplates", locale: str, notice: str, channel: str) -> bool:
        """Whether both have the same template for this, with everything that it may include."""
        ours, theirs = self.find(locale, notice, channel), other.find(locale, notice, channel)
        if ours is None or theirs is None or self._shared() != other._shared():
            return ours is theirs
        return ours == theirs and self.text(ours.name) == other.text(theirs.name)

    def _shared(self) -> dict[str, str]:
        return {name: text for name, (text, _) in self._texts.items() if "/" not in name}

    def parse(self, text: str) -> nodes.Template:
        """A template's syntax tree, to look at the names it uses."""
        return self._plain.parse(text)

    def compiled(self, name: str) -> Template:
        """One compiled template; raises jinja2.TemplateSyntaxError with its line."""
        if name.endswith(".email.j2"):
            self._html.get_template(name)
        return self._plain.get_template(name)

    def prepare(self, name: str) -> None:
        """Compile this template unless its bytecode is kept; reading that on first use takes 0.2 ms."""
        text, _ = self._texts[name]
        kinds = (True, False) if name.endswith(".email.j2") else (False,)
        if not all(_COMPILED[html].is_at_hand(name, keep_line_ends(text)) for html in kinds):
            self.compiled(name)


def _free(channel: str) -> str:
    return f"free_text.{channel}.j2"


def _laid_out(values: Mapping[str, Any], locale: str) -> JsonObject:
    """The values with what layouts go by: the direction of the language, and a look."""
    return {"look": USUAL_LOOK, **values, "dir": cldr.direction(locale)}


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
        return self._led(_tidy(self._plain.get_template(self._name).render({**self._values, **more})))

    def html(self, **more: Any) -> str:
        return self._html.get_template(self._name).render({**self._values, **more})

    def block(self, name: str, **more: Any) -> str:
        template = self._plain.get_template(self._name)
        return self._led("".join(template.blocks[name](template.new_context({**self._values, **more}))))

    def phrase(self, source: str) -> str:
        # Bare: it may become a part of a link, and the provider's own text has its own marks.
        with nothing_isolated():
            return self._plain.from_string(source).render(self._values)

    def _led(self, text: str) -> str:
        return bidi.led(text) if self._values["dir"] == "rtl" else text


_COMPILED = {html: CompiledTemplates("html" if html else "plain", bounds) for html in (True, False)}


def _environment(loader: FunctionLoader, *, escape_html: bool) -> BoundedEnvironment:
    environment = BoundedEnvironment(
        loader=loader,
        autoescape=escape_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        bytecode_cache=_COMPILED[escape_html],
    )
    environment.filters.update(FILTERS)
    return environment


def _tidy(text: str) -> str:
    lines = [line.strip() for line in _BLANKS.sub(" ", text.strip()).splitlines()]
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines))
