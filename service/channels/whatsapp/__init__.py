"""WhatsApp through Twilio; outside of the 24-hour window with a template that Meta has approved."""

import re
from datetime import timedelta
from typing import Final

from service.channels.channel import Channel, Surroundings
from service.channels.medium import Medium, Rendered, Sheet
from service.channels.port import Provider
from service.channels.twilio.senders import whatsapp_sender
from service.channels.twilio.settings import TwilioSettings

LONGEST_VARIABLE: Final = 1600
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class WhatsAppMedium(Medium):
    """Text, with the approved template and its variables if the pack names one."""

    def render(self, sheet: Sheet) -> Rendered:
        """Text and template; the text is what is stored and shown."""
        text, content = sheet.text(), sheet.content
        if content is None:
            return Rendered(text=text)
        filled = {k: _squeezed(sheet.phrase(v)) for k, v in content.variables.items()}
        return Rendered(text=text, content_sid=content.sid, content_variables={k: v for k, v in filled.items() if v})


def _squeezed(value: str) -> str:
    """A content variable in the form that Twilio accepts: one line, no runs of blanks, limited length.

    Twilio, Error and Warning Dictionary: 21656 (no newline, no tab, at most four spaces in a row, never empty: one that
    is left out gets the approved template's sample) and 21658 (at most 1,600 characters).
    """
    return " ".join(_CONTROL.sub(" ", value).split())[:LONGEST_VARIABLE].rstrip()


def _providers(settings: TwilioSettings, around: Surroundings) -> list[Provider]:
    from service.channels.twilio.provider import providers  # loaded only where it is used: it takes its time

    return providers([a for a in settings.twilio_accounts() if a.whatsapp_from], "whatsapp", around)


WHATSAPP: Final = Channel(
    name="whatsapp",
    title="WhatsApp",
    address="whatsapp",
    settings=TwilioSettings,
    is_ready=lambda settings: any(a.whatsapp_from for a in settings.twilio_accounts()),
    needs="TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_WHATSAPP_FROM",
    providers=_providers,
    canonical_sender=whatsapp_sender,
    medium=WhatsAppMedium(),
    reply_window=timedelta(hours=24),
)
