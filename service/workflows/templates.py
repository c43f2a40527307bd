"""Message templates: sandboxed Jinja, HTML escaped, an undefined name is an error; never built from data.

A template file is `<locale>/<notice>.<channel>.j2`. How it becomes a message is its channel's medium. SMS and WhatsApp
files are the text. A push file is the title, then the body from the second line on. An email file fills the blocks
`subject` and `body` (and optionally `action`, the button's text); its HTML and plain text are both made from it.
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

_BLANKS = re.compile(r"[ \t]{2,}|\t")
_EMPTY_LINES = re.compile(r"\n{3,}")
LAYOUTS = "_layouts"
BRANDS = "brands"
# Folders below a pack's folder: its own texts, and those of its brands.
TEMPLATES = ("*/*.j2", f"{BRANDS}/*/*/*.j2")
# Errors of rendering: mistakes in the template, or data that its filters cannot format.
UNRENDERABLE = (TemplateError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
# All names that templates may use; `stagebell check` rejects others.
NAMES = frozenset(
    {
        "brand", "link", "order", "name", "assignee", "previous_assignee", "eta", "appointment", "price",
        "payment", "note", "attachments", "attributes", "secrets", "status", "stage", "notice", "locale", "audience",
        "people", "contacts", "asked", "dir", "lists", "look", "replies", "parent", "parts", "act_link",
    }
)  # fmt: skip


class FoundTemplate(NamedTuple):
    """A template's name below its folder, and its language."""

    name: str
    locale: str


class PackTemplates:
    """The templates of one pack folder and of the shared layouts, as they were when this object was made.

    `chains`: by language, the pack's languages to fall back to, nearest first, if it lacks a template.
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
        self._prepared: set[str] = set()

    def with_texts(self, texts: Mapping[str, str | None]) -> "PackTemplates":
        """A copy with these texts in place of its own, by name below the folder; None removes one."""
        made = copy(self)
        gone = {name for name, text in texts.items() if text is None}
        put = {name: (text, str(self.folder / name)) for name, text in texts.items() if text is not None}
        made._texts = {name: found for name, found in {**self._texts, **put}.items() if name not in gone}
        made._compile_anew()
        return made

    def _load(self, name: str) -> tuple[str, str, None] | None:
        text, path = self._texts.get(name, ("", ""))
        return (keep_line_ends(text), path, None) if path else None

    def find(self, locale: str, notice: str, channel: str, brand: str = "") -> FoundTemplate | None:
        """The template for this notice, in its language or the first fallback; a brand's own takes precedence."""
        folders = ("", f"{BRANDS}/{brand}/") if brand else ("",)
        for spoken in self._chains.get(locale) or (locale,):
            for folder in reversed(folders):
                name = f"{folder}{spoken}/{notice}.{channel}.j2"
                if name in self._texts:
                    return FoundTemplate(name, spoken)
        return None

    def source(self, locale: str, notice: str, channel: str) -> Path:
        """The path of the template, existing or not."""
        return self.folder / locale / f"{notice}.{channel}.j2"

    def render(
        self, locale: str, notice: str, channel: str, values: Mapping[str, Any], content: Content | None = None
    ) -> Rendered:
        """The message rendered in `locale`; raises jinja2.TemplateError."""
        found = self.find(locale, notice, channel, values.get("of_brand", "")) or FoundTemplate(
            f"{locale}/{notice}.{channel}.j2", locale
        )
        values = _laid_out(values, found.locale)
        if found.locale != locale:
            values["locale"] = found.locale
        with within_bounds(values["dir"]):
            return medium_of(channel).render(_Sheet(found.name, values, content, self._plain, self._html))

    def write(self, channel: str, values: Mapping[str, Any]) -> Rendered:
        """An agent's text (`asked.text`) as this channel's readers see it; raises jinja2.TemplateError."""
        values = _laid_out(values, values["locale"])
        with within_bounds(values["dir"]):
            return medium_of(channel).render(_Sheet(_free(channel), values, None, self._plain, self._html))

    def warm(self) -> None:
        """Compile all templates in advance, so that the first message is not delayed."""
        for name in self.names():
            self.compiled(name)

    def names(self) -> list[str]:
        """The names of this folder's templates."""
        return [name for name in self._texts if "/" in name]

    def text(self, name: str) -> str:
        """The source of a template."""
        return self._texts[name][0]

    def text_of(self, name: str) -> str | None:
        """The source of a template; None if there is none with this name."""
        return self._texts[name][0] if name in self._texts else None

    def same_text(self, other: "PackTemplates", locale: str, notice: str, channel: str) -> bool:
        """Whether both have the same template for this, including everything that it may include."""
        ours, theirs = self.find(locale, notice, channel), other.find(locale, notice, channel)
        if ours is None or theirs is None or self._shared() != other._shared():
            return ours is theirs
        return ours == theirs and self.text(ours.name) == other.text(theirs.name)

    def _shared(self) -> dict[str, str]:
        return {name: text for name, (text, _) in self._texts.items() if "/" not in name}

    def parse(self, text: str) -> nodes.Template:
        """A template's syntax tree."""
        return self._plain.parse(text)

    def compiled(self, name: str) -> Template:
        """A compiled template; raises jinja2.TemplateSyntaxError with its line."""
        if name.endswith(".email.j2"):
            self._html.get_template(name)
        return self._plain.get_template(name)

    def unprepared(self) -> list[str]:
        """The names of this folder's templates that were not prepared yet."""
        return [name for name in self.names() if name not in self._prepared]

    def prepare(self, name: str) -> None:
        """Compile this template unless its bytecode is cached; loading that on first use takes 0.2 ms."""
        text = keep_line_ends(self._texts[name][0])
        kinds = (True, False) if name.endswith(".email.j2") else (False,)
        if not all(_COMPILED[html].is_at_hand(name, text) for html in kinds):
            self.compiled(name)
        self._prepared.add(name)


def _free(channel: str) -> str:
    return f"free_text.{channel}.j2"


def _laid_out(values: Mapping[str, Any], locale: str) -> JsonObject:
    """The values with those that layouts use: the direction of the language, and the look."""
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
        # Without isolates: it may become part of a link, and the provider's template has its own.
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
