"""SMS through Twilio: a short text, billed by segment."""

import unicodedata
from typing import Final

from service.channels.channel import Channel, Surroundings
from service.channels.medium import Medium, Rendered, Sheet
from service.channels.port import Provider
from service.channels.sms.segments import measure, outside, plain_enough, without_outsiders
from service.channels.twilio.senders import sms_sender
from service.channels.twilio.settings import TwilioSettings

MAX_SEGMENTS: Final = 3
NAMED_AT_MOST: Final = 5


class SmsMedium(Medium):
    """Text, converted to GSM-7 if only typographic characters prevent that."""

    def render(self, sheet: Sheet) -> Rendered:
        """The rendered text."""
        return Rendered(text=plain_enough(sheet.text()))

    def problem(self, rendered: Rendered) -> str:
        """Reject a text of too many segments."""
        if not rendered.text:
            return "is empty"
        taken, why = self.parts(rendered), self.remark(rendered)
        if taken <= MAX_SEGMENTS:
            return ""
        return f"takes {taken} SMS segments (at most {MAX_SEGMENTS} are allowed{f'; {why}' if why else ''})"

    def remark(self, rendered: Rendered) -> str:
        """Which characters prevent GSM-7 in a text in Latin letters; other scripts need UCS-2 anyway."""
        text = rendered.text
        outsiders = outside(text)
        if not outsiders or any(_is_of_another_script(c) for c in outsiders):
            return ""
        taken, possible = self.parts(rendered), without_outsiders(text).count
        named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in outsiders[:NAMED_AT_MOST])
        more = f" and {len(outsiders) - NAMED_AT_MOST} more" if len(outsiders) > NAMED_AT_MOST else ""
        return f"GSM-7 has no {named}{more}: {taken} SMS segments in place of {possible}" if taken > possible else ""

    def parts(self, rendered: Rendered) -> int:
        """The number of segments."""
        return measure(rendered.text).count


def _is_of_another_script(char: str) -> bool:
    return unicodedata.category(char)[0] in "LM" and not unicodedata.name(char, "").startswith(("LATIN", "COMBINING"))


def _providers(settings: TwilioSettings, around: Surroundings) -> list[Provider]:
    from service.channels.twilio.provider import providers  # loaded only where it is used: it takes its time

    return providers([a for a in settings.twilio_accounts() if a.can_sms], "sms", around)


SMS: Final = Channel(
    name="sms",
    title="SMS",
    address="phone",
    settings=TwilioSettings,
    is_ready=lambda settings: any(a.can_sms for a in settings.twilio_accounts()),
    needs="TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_SMS_FROM or TWILIO_MESSAGING_SERVICE_SID",
    providers=_providers,
    canonical_sender=sms_sender,
    medium=SmsMedium(),
    tells="delivered",
)
