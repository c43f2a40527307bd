"""Builds a mail: headers, text and HTML, in ASCII unless an address needs more (RFC 6532)."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final

from service.channels.port import OutgoingMessage
from service.domain.control_characters import one_line

# Quoted-printable rather than 8 bits, as not every relay offers 8BITMIME (RFC 6152).
_ASCII: Final = SMTP_POLICY.clone(cte_type="7bit")
_UTF8: Final = _ASCII.clone(utf8=True)


def mail_of(message: OutgoingMessage, sender_name: str, sender: str, recipient: str) -> bytes:
    """The mail's bytes with CR LF line ends; raises ValueError or UnicodeError for values that no header can hold.

    The Message-ID is derived from the message's id, so that a second attempt is recognisable as the same mail.
    """
    utf8 = not (sender.isascii() and recipient.isascii())
    mail = EmailMessage(policy=_UTF8 if utf8 else _ASCII)
    mail["From"] = _address(sender, one_line(sender_name))
    mail["To"] = _address(recipient)
    if message.mail.reply_to:
        mail["Reply-To"] = _address(message.mail.reply_to)
    mail["Subject"] = one_line(message.rendered.title)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message.message_id}@{sender.rpartition('@')[2]}>"
    # RFC 3834, §5: auto-responders need not answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.rendered.text)
    if message.rendered.html:
        mail.add_alternative(message.rendered.html, subtype="html")
    if message.attachment:
        mail.add_attachment(message.attachment.text, subtype="csv", filename=message.attachment.name)
    return _unsubscribe(message.mail.unsubscribe) + mail.as_bytes()


def _unsubscribe(page: str) -> bytes:
    """One-click unsubscription (RFC 8058). Written by hand, as a folded URL would be invalid."""
    if not page:
        return b""
    return f"List-Unsubscribe: <{page}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)
