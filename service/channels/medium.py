"""How a channel's messages look: renders a template with an order's values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from service.domain.notice_rules import Content
from service.domain.notices import Snapshot


class Rendered(Struct, frozen=True):
    """A message as its reader sees it; `html` for email only, `title` for push and as the email's subject."""

    text: str
    title: str = ""
    html: str = ""
    content_sid: str = ""
    content_variables: Mapping[str, str] = {}


class Sheet(Protocol):
    """A template with the values of one message. Each method raises jinja2.TemplateError; `more`: further values."""

    content: Content | None

    def text(self, **more: Any) -> str:
        """The template as plain text, without superfluous blanks."""
        ...

    def html(self, **more: Any) -> str:
        """The same with values escaped for HTML."""
        ...

    def block(self, name: str, **more: Any) -> str:
        """One block as plain text."""
        ...

    def phrase(self, source: str) -> str:
        """Render a short template of the pack, such as a variable of `whatsapp_content`."""
        ...


class Facts(Struct, frozen=True):
    """A message's facts, for readers that are machines."""

    workflow: str
    order_id: str
    notice: str
    audience: str
    at: datetime
    snapshot: Snapshot


class Medium:
    """Plain text from a template, as most channels need it. Other channels override what differs.

    `has_templates`: whether packs need a template for each notice; if not, `body` makes the message.
    `free_text`: the template for an agent's own text, `asked.text`.
    """

    has_templates: bool = True
    longest_joined: int = 1500  # characters; Twilio takes 1600 (Messages resource, `Body`)
    free_text: str = "{{ asked.text }}"

    def render(self, sheet: Sheet) -> Rendered:
        """The rendered template."""
        return Rendered(text=sheet.text())

    def body(self, facts: Facts, values: Mapping[str, Any]) -> Rendered:
        """The message of a channel without templates."""
        raise NotImplementedError

    def joined(self, parts: Sequence[Rendered]) -> Rendered:
        """Several messages to one reader joined into one; `longest_joined` bounds the text."""
        return Rendered(text="\n\n".join(part.text for part in parts))

    def problem(self, rendered: Rendered) -> str:
        """Why `stagebell check` rejects a template that renders like this; empty: it is fine."""
        return "" if rendered.text else "is empty"

    def remark(self, rendered: Rendered) -> str:
        """Why this message costs more than necessary; empty: it does not."""
        return ""

    def parts(self, rendered: Rendered) -> int:
        """The number of parts that the message is billed as; 0 where parts do not apply."""
        return 0

    def paid_parts(self, rendered: Rendered) -> int:
        """The number of parts that it is billed as; 1 where parts do not apply."""
        return max(1, self.parts(rendered))


class TitledMedium(Medium):
    """The first line is the title, the rest the text; both are required."""

    free_text: str = "{{ brand }} · {{ order.id }}\n{{ asked.text }}"

    def render(self, sheet: Sheet) -> Rendered:
        """Title and text."""
        title, _, body = sheet.text().partition("\n")
        return Rendered(text=body.strip(), title=title.strip())

    def joined(self, parts: Sequence[Rendered]) -> Rendered:
        """Joined under the first one's title; the titles of the others precede their texts."""
        first, *others = parts
        texts = [first.text, *(f"{part.title}\n{part.text}" for part in others)]
        return Rendered(text="\n\n".join(texts), title=first.title)

    def problem(self, rendered: Rendered) -> str:
        """Title and text are required."""
        return "" if rendered.text and rendered.title else "is empty"
