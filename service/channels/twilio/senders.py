"""Valid senders: Twilio's `From`, or a Messaging Service (Twilio, Messages resource)."""

import re
from typing import Final

# ITU-T E.164; countries' short codes; Twilio, Alphanumeric Sender ID: 11 characters, at least one of them a letter.
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE: Final = re.compile(r"\d{3,8}")
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")


def is_service(sender: str) -> bool:
    """Whether it is a Messaging Service, which chooses the number."""
    return _SERVICE.fullmatch(sender) is not None


def sms_sender(text: str) -> str:
    """A number, short code, alphanumeric sender id or Messaging Service; raises ValueError."""
    sender = text.strip()
    if any(form.fullmatch(sender) for form in (_NUMBER, _SHORT_CODE, _NAME, _SERVICE)):
        return sender
    raise ValueError("write a number in E.164 (+14155550100), a short code, a name of 11 letters at most, or MG…")


def whatsapp_sender(text: str) -> str:
    """A number; raises ValueError."""
    sender = text.strip().removeprefix("whatsapp:")
    if _NUMBER.fullmatch(sender):
        return sender
    raise ValueError("write a number in E.164, such as +14155550100")
