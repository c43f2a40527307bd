"""Why a message was not delivered, in words, and what to do about it.

Codes of Twilio by their class (`service.channels.twilio.codes`), the usual ones more exactly (Twilio, Error and Warning
Dictionary); what mail servers say by its reply and status code (RFC 5321, §4.2.3; RFC 3463, §3).
"""

import re
from typing import Final

from msgspec import Struct

from service.channels.twilio.codes import FIRST_CODE, kind_of

_LONGEST: Final = 6


class Cause(Struct, frozen=True):
    """What happened, and the remedy; both are sentences without a full stop."""

    words: str
    help: str = ""


_ANOTHER: Final = "Ask for another number, or send it by another channel"
_OTHER_WAY: Final = "Send it by another channel"
_TELL_TECH: Final = "Send it by another channel, and tell the technical team"
_START: Final = "Ask them to write START, or send it by another channel"
_OURS: Final = "Nothing to do for this order: the team has been called. Send it by another channel if it cannot wait"
_TWILIO: Final = {
    "us": Cause("The provider turns away our account or sender, not this person", _OURS),
    "country": Cause("Our sender may not write to this country", _TELL_TECH),
    "address": Cause("This number cannot be reached this way", _ANOTHER),
    "message": Cause("The provider does not take this text", _TELL_TECH),
    "opted_out": Cause("They told us to stop on this channel", _START),
    "later": Cause("The provider was busy", "It is tried again by itself until its time is over"),
    "unsure": Cause("The provider broke off while taking it", "It may have arrived: ask before sending it again"),
}  # fmt: skip
_EXACTLY: Final = {
    "21211": Cause("There is no such phone number", "Ask for the right number"),
    "21610": Cause("They replied STOP to our texts", _START),
    "21614": Cause("The number is no mobile phone", _ANOTHER),
    "30003": Cause("The phone is off or out of reach", "Try again later, or send it by another channel"),
    "30004": Cause("The message was blocked for this phone", _OTHER_WAY),
    "30005": Cause("The number is not in use", "Ask for the right number"),
    "30006": Cause("The number is a landline, or its network takes no texts", _ANOTHER),
    "30007": Cause("The network filtered it as unwanted", _TELL_TECH),
    "63003": Cause("They are not on WhatsApp", _OTHER_WAY),
    "63007": Cause("Our WhatsApp sender is not set up at the provider", _OURS),
    "63016": Cause("More than a day since they last wrote, and no approved template for it", _OTHER_WAY),
}  # fmt: skip
_MAIL: Final = (
    ("5.1", Cause("There is no such mailbox", "Ask for the right address")),
    ("5.2.2", Cause("Their mailbox is full", _OTHER_WAY)),
    ("4.2.2", Cause("Their mailbox is full", "It is tried again by itself until its time is over")),
    ("5.7", Cause("Their mail server does not accept mail from us", _TELL_TECH)),
    ("55", Cause("Their mail server refused it", "Check the address, or send it by another channel")),
    ("4", Cause("Their mail server was busy", "It is tried again by itself until its time is over")),
)  # fmt: skip
_STATES: Final = {
    "expired": Cause("Its time was over before it could be sent", "Say it anew if it still matters"),
    "held": Cause("Somebody holds it back", "It goes out when the hold is released"),
    "unknown": Cause("Nobody knows whether it arrived", "Ask before sending it again"),
}
_REFUSED: Final = Cause(
    "Its provider refuses us at the moment",
    "It goes out by itself once messages are taken again, if its time is not over",
)
TROUBLED: Final = frozenset({"failed", "undelivered", "expired", "retrying", "held", "unknown"})


def cause_of(channel: str, state: str, code: str, error: str, *, refused: bool = False) -> Cause | None:
    """The explanation of a message that failed or does not get away; None for any other.

    `refused`: its channel's provider refuses us now.
    """
    if refused and state == "pending":
        return _REFUSED
    if state not in TROUBLED:
        return None
    found = _EXACTLY.get(code) or _by_class(channel, code)
    if found:
        return found
    known = _STATES.get(state)
    if known:
        return known
    words = error[:1].upper() + error[1:].rstrip(".") if error else "The provider did not say why"
    return Cause(words, "It is tried again by itself" if state == "retrying" else _OTHER_WAY)


def _by_class(channel: str, code: str) -> Cause | None:
    if channel == "email":
        status = re.search(r"[245]\.\d{1,3}\.\d{1,3}", code)
        plain = status[0] if status else code
        return next((cause for start, cause in _MAIL if plain.startswith(start)), None)
    if channel in ("sms", "whatsapp") and code.isascii() and code.isdigit() and len(code) <= _LONGEST:
        number = int(code)
        return _TWILIO[kind_of(number, 400)[0]] if number >= FIRST_CODE else None
    return None
