"""How a channel looks: from a template and an order's values to the message as its reader sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from service.domain.notice_rules import Content
from service.domain.notices import Snapshot


class Rendered(Struct, frozen=True):
    """A message as its reader sees it; `html` for email only, `title` for push and the email subject."""

    text: str
    title: str = ""
    html: str = ""
    content_sid: str = ""
    content_variables: Mapping[str, str] = {}


class Sheet(Protocol):
    """One template with the values of one message. Each method raises jinja2.TemplateError; `more` are more values."""

    content: Content | None

    def text(self, **more: Any) -> str:
        """The template as plain text, without superfluous blanks."""
        ...

    def html(self, **more: Any) -> str:
        """The same with values escaped for HTML."""
        ...

    def block(self, name: str, **more: Any) -> str:
        """One block of it alone, as plain text."""
        ...

    def phrase(self, source: str) -> str:
        """A short template of the pack's, such as a variable of `whatsapp_content`."""
        ...


class Facts(Struct, frozen=True):
    """Which message it is: for readers that are machines."""

    workflow: str
    order_id: str
    notice: str
    audience: str
    at: datetime
    snapshot: Snapshot


class Medium:
    """Plain text from a template: what most channels need. A channel that shows more overrides what differs.

    `has_templates`: whether packs must have a template of each notice for it; without, `body` makes the message.
    `free_text`: the template of what an agent writes, `asked.text`.
    """

    has_templates: bool = True
    longest_joined: int = 1500  # characters; Twilio takes 1600 (Messages resource, `Body`)
    free_text: str = "{{ asked.text }}"

    def render(self, sheet: Sheet) -> Rendered:
        """The message in the template's words."""
        return Rendered(text=sheet.text())

    def body(self, facts: Facts, values: Mapping[str, Any]) -> Rendered:
        """The message where there are no templates."""
        raise NotImplementedError

    def joined(self, parts: Sequence[Rendered]) -> Rendered:
        """Several messages to one reader as one; `longest_joined` bounds their text."""
        return Rendered(text="\n\n".join(part.text for part in parts))

    def problem(self, rendered: Rendered) -> str:
        """Why `stagebell check` refuses a template that renders like this; empty: it is fine."""
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
    """A first line as title, the rest as text: both must be there."""

    free_text: str = "{{ brand }} · {{ order.id }}\n{{ asked.text }}"

    def render(self, sheet: Sheet) -> Rendered:
        """Title and text."""
        title, _, body = sheet.text().partition("\n")
        return Rendered(text=body.strip(), title=title.strip())

    def joined(self, parts: Sequence[Rendered]) -> Rendered:
        """Under the first one's title; the others' stand before their texts."""
        first, *others = parts
        texts = [first.text, *(f"{part.title}\n{part.text}" for part in others)]
        return Rendered(text="\n\n".join(texts), title=first.title)

    def problem(self, rendered: Rendered) -> str:
        """Neither may be missing."""
        return "" if rendered.text and rendered.title else "is empty"
