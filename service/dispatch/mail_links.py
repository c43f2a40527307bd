"""Signed names of messages in mail addresses and links: where bounces and replies come in, how to unsubscribe.

Written in base32: mail servers may change the case of what stands before the @ (RFC 5321, §2.4 forbids it in vain).
No name holds anything but the message's id and its signature.
"""

from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from typing import Final, Literal
from uuid import UUID

from service.channels.port import MailHeaders
from service.keyring import Keyring

Purpose = Literal["bounce", "reply", "unsubscribe"]
TOKEN_LENGTH: Final = 39  # 24 bytes in base32


def mail_token(keyring: Keyring, purpose: Purpose, message_id: UUID) -> str:
    """The signed name of a message for one purpose, in lower case."""
    token = keyring.token(purpose, message_id, whole=True)
    return _in_base32(urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def _in_base32(raw: bytes) -> str:
    return b32encode(raw).decode().rstrip("=").lower()


def read_mail_token(keyring: Keyring, purpose: Purpose, token: str) -> UUID | None:
    """The message that was signed for `purpose`, in whatever case the token came; None for anything else.

    Three bits of the last letter are spare: with others than we wrote, it is another spelling, and none of ours.
    """
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = b32decode(token.upper() + "=" * (-len(token) % 8))
    except (BinasciiError, ValueError):
        return None
    if _in_base32(raw) != token.lower():
        return None
    return keyring.read_token(purpose, urlsafe_b64encode(raw).decode().rstrip("="))


def mail_headers(keyring: Keyring, message_id: UUID, *, domain: str, reply_to: str, unsubscribe_at: str) -> MailHeaders:
    """What goes with a mail. `domain`: where mail comes in, if it does; else replies go to the pack's `reply_to`.

    `unsubscribe_at`: the service's public address; empty for messages that cannot be unsubscribed from.
    """

    def at_home(purpose: Purpose) -> str:
        return f"{purpose}+{mail_token(keyring, purpose, message_id)}@{domain}" if domain else ""

    page = f"{unsubscribe_at}/u/{mail_token(keyring, 'unsubscribe', message_id)}" if unsubscribe_at else ""
    return MailHeaders(bounce_to=at_home("bounce"), reply_to=at_home("reply") or reply_to, unsubscribe=page)
