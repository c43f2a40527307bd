"""What mail needs to be set."""

from pydantic import BaseModel, SecretStr, field_validator

from service.mail_address import sender_of
from service.setting_values import mail_relay


class MailSettings(BaseModel):
    """Mail relays, and who the mails come from."""

    smtp_url: SecretStr = SecretStr("")
    smtp_backup_url: SecretStr = SecretStr("")
    email_from: str = ""

    @field_validator("smtp_url", "smtp_backup_url")
    @classmethod
    def _known_smtp(cls, value: SecretStr) -> SecretStr:
        mail_relay(value.get_secret_value())
        return value

    @field_validator("email_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        if value:
            sender_of(value)
        return value

    def smtp_relays(self) -> list[str]:
        """The mail relays, the first preferred."""
        urls = (self.smtp_url, self.smtp_backup_url)
        return [u.get_secret_value() for u in urls if u.get_secret_value()]
