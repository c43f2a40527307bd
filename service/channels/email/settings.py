"""The settings of mail."""

from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator

from service.mail_address import sender_of

SMTP_SCHEMES: Final = ("smtp", "smtps", "smtp+starttls")


class MailSettings(BaseModel):
    """Mail relays, and the sender of mails."""

    smtp_url: SecretStr = SecretStr("")
    smtp_backup_url: SecretStr = SecretStr("")
    email_from: str = ""

    @field_validator("smtp_url", "smtp_backup_url")
    @classmethod
    def _known_smtp(cls, value: SecretStr) -> SecretStr:
        _mail_relay(value.get_secret_value())
        return value

    @field_validator("email_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        if value:
            sender_of(value)
        return value

    def smtp_relays(self) -> list[str]:
        """The URLs of the mail relays, the preferred one first."""
        urls = (self.smtp_url, self.smtp_backup_url)
        return [u.get_secret_value() for u in urls if u.get_secret_value()]


def _mail_relay(url: str) -> None:
    """Check a mail relay's URL; raises ValueError."""
    try:
        parts = urlsplit(url)
        ok = parts.scheme in SMTP_SCHEMES and parts.hostname and (parts.port or 1)
        more = bool(parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError:
        ok = more = False
    if url and (more or not ok):
        raise ValueError(
            "write smtp://, smtps:// or smtp+starttls://user:password@host:port, and nothing after"
            " it; a password's @ : / ? # are written %40 %3A %2F %3F %23"
        )
