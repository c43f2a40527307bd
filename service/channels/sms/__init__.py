"""SMS, through Twilio: a short text that is paid for by segment."""

from typing import Final

from service.channels.channel import Channel, Surroundings
from service.channels.medium import Medium, Rendered, Sheet
from service.channels.port import Provider
from service.channels.sms.segments import measure, plain_enough
from service.channels.twilio.settings import TwilioSettings

MAX_SEGMENTS: Final = 3


class SmsMedium(Medium):
    """Text, kept in the cheaper alphabet where only typography stands against it."""

    def render(self, sheet: Sheet) -> Rendered:
        """The text."""
        return Rendered(text=plain_enough(sheet.text()))

    def problem(self, rendered: Rendered) -> str:
        """Too long a text is paid for several times."""
        if not rendered.text:
            return "is empty"
        taken = self.parts(rendered)
        return f"takes {taken} SMS segments, of which there may be {MAX_SEGMENTS}," if taken > MAX_SEGMENTS else ""

    def parts(self, rendered: Rendered) -> int:
        """Segments."""
        return measure(rendered.text).count


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
    medium=SmsMedium(),
)
