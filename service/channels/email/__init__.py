"""Mail over SMTP: a subject, HTML and plain text from the same template."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from service.channels.channel import Channel, Surroundings
from service.channels.email.settings import MailSettings
from service.channels.medium import Rendered, Sheet, TitledMedium
from service.channels.port import Provider
from service.domain.control_characters import one_line
from service.mail_address import sender_of

if TYPE_CHECKING:
    from css_inline import CSSInliner


# RFC 5322, §2.1.1 recommends lines of at most 78 characters; a subject may take several, but is cut here.
MAX_SUBJECT: Final = 200
_BODY: Final = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)


class MailMedium(TitledMedium):
    """The template fills the blocks of two layouts: plain text and HTML."""

    free_text: str = (
        "{% extends layout %}{% block subject %}{{ brand }} · {{ order.id }}{% endblock %}"
        "{% block body %}{{ asked.text }}{% endblock %}{% block action %}{{ order.id }}{% endblock %}"
    )

    longest_joined: int = 50_000

    def joined(self, parts: Sequence[Rendered]) -> Rendered:
        """All subjects joined; the bodies one after the other in the first one's layout."""
        subjects = list(dict.fromkeys(part.title for part in parts))
        title = one_line(" · ".join(subjects))[:MAX_SUBJECT]
        bodies = [found[1] if (found := _BODY.search(part.html)) else part.html for part in parts]
        rule = '<hr style="border:0;border-top:1px solid #ccc;margin:24px 0">'
        first = parts[0].html
        at = found.span(1) if (found := _BODY.search(first)) else (0, len(first))
        html = first[: at[0]] + rule.join(bodies) + first[at[1] :]
        return Rendered(text="\n\n---\n\n".join(part.text for part in parts), title=title, html=html)

    def render(self, sheet: Sheet) -> Rendered:
        """Subject, text and HTML from the same blocks."""
        subject = one_line(sheet.block("subject", layout="email.txt.j2"))
        text = sheet.text(layout="email.txt.j2")
        html = sheet.html(layout="email.html.j2", subject=subject)
        return Rendered(text=text, title=subject, html=_inliner().inline(html))


@lru_cache(maxsize=1)
def _inliner() -> "CSSInliner":
    """Inlines styles, as mail programs ignore style sheets."""
    from css_inline import CSSInliner

    return CSSInliner(keep_style_tags=False, load_remote_stylesheets=False)


def mailbox(text: str) -> str:
    """A sender as written, stripped; raises ValueError."""
    sender_of(text)
    return text.strip()


def _providers(settings: MailSettings, around: Surroundings) -> list[Provider]:
    from service.channels.email.provider import SmtpProvider

    return [SmtpProvider(url, settings.email_from, around.timeout_s) for url in settings.smtp_relays()]


EMAIL: Final = Channel(
    name="email",
    title="Email",
    address="email",
    settings=MailSettings,
    is_ready=lambda settings: bool(settings.smtp_relays() and settings.email_from),
    needs="SMTP_URL and EMAIL_FROM",
    providers=_providers,
    canonical_sender=mailbox,
    medium=MailMedium(),
    tells="delivered",
)
