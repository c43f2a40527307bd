"""Mail over SMTP: a subject, HTML, and the same words as plain text."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from service.channels.channel import Channel, Surroundings
from service.channels.email.settings import MailSettings
from service.channels.medium import Rendered, Sheet, TitledMedium
from service.channels.port import Provider
from service.domain.events import clean
from service.mail_address import sender_of

if TYPE_CHECKING:
    from css_inline import CSSInliner


class MailMedium(TitledMedium):
    """The template fills the blocks of two layouts: one of plain text, one of HTML."""

    free_text: str = (
        "{% extends layout %}{% block subject %}{{ brand }} · {{ order.id }}{% endblock %}"
        "{% block body %}{{ asked.text }}{% endblock %}{% block action %}{{ order.id }}{% endblock %}"
    )

    def render(self, sheet: Sheet) -> Rendered:
        """Subject, text and HTML from the same words."""
        subject = clean(sheet.block("subject", layout="email.txt.j2"))
        text = sheet.text(layout="email.txt.j2")
        html = sheet.html(layout="email.html.j2", subject=subject)
        return Rendered(text=text, title=subject, html=_inliner().inline(html))


@lru_cache(maxsize=1)
def _inliner() -> "CSSInliner":
    """Mail programs heed styles only where they are used."""
    from css_inline import CSSInliner

    return CSSInliner(keep_style_tags=False, load_remote_stylesheets=False)


def mailbox(text: str) -> str:
    """A sender as it is written; raises ValueError."""
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
)
