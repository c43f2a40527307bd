"""Cleans providers' error texts for display: short, without personal data."""

import re
from typing import Final

from service.channels.port import OutgoingMessage

LONGEST: Final = 200
# An answer may be a proxy's whole page; what matters is at its beginning.
READ_AT_MOST: Final = 4000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_TAG: Final = re.compile(r"<[^<>]{0,500}>")
_MAIL: Final = re.compile(r"[^\s<>\"'(),;:]{1,64}@[^\s<>\"'(),;:]{1,255}")
# Four or more digits, however grouped: phone numbers and codes. Three are left: statuses of HTTP and SMTP.
_DIGITS: Final = re.compile(r"\+?\d(?:[\s().\-/]{0,2}\d){3,}")
# Tokens and keys.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-:+/=]{24,}")
HIDDEN: Final = "…"


def cleaned_text(text: str, message: OutgoingMessage | None = None) -> str:
    """The provider's text without addresses, numbers, codes and tokens, and without the message's own text."""
    cleaned = text[:READ_AT_MOST]
    if message is not None:
        rendered = message.rendered
        for private in (message.address, rendered.text, rendered.title, *rendered.content_variables.values()):
            if len(private) > 3:
                cleaned = cleaned.replace(private, HIDDEN)
    cleaned = _TAG.sub(" ", _CONTROL.sub(" ", cleaned))
    for pattern in (_MAIL, _TOKEN, _DIGITS):
        cleaned = pattern.sub(HIDDEN, cleaned)
    cleaned = " ".join(cleaned.split())
    return cleaned if len(cleaned) <= LONGEST else cleaned[: LONGEST - 1].rstrip() + HIDDEN
