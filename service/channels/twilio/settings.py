"""The settings of SMS and WhatsApp: a Twilio account with its senders, and another one to fall back on."""

from pydantic import BaseModel, SecretStr, field_validator

from service.channels.twilio.senders import sms_sender, whatsapp_sender
from service.setting_values import Url


class TwilioAccount(BaseModel):
    """One Twilio account and the senders that belong to it."""

    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    sms_from: str = ""
    messaging_service_sid: str = ""
    whatsapp_from: str = ""
    base_url: Url = "https://api.twilio.com"

    @property
    def complete(self) -> bool:
        """Whether it has credentials."""
        return bool(self.account_sid and self.auth_token.get_secret_value())

    @property
    def can_sms(self) -> bool:
        """Whether it has a sender for SMS."""
        return bool(self.sms_from or self.messaging_service_sid)


class TwilioSettings(BaseModel):
    """The settings of both accounts."""

    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_sms_from: str = ""
    twilio_messaging_service_sid: str = ""
    twilio_whatsapp_from: str = ""
    twilio_base_url: Url = "https://api.twilio.com"
    twilio_backup_account_sid: str = ""
    twilio_backup_auth_token: SecretStr = SecretStr("")
    twilio_backup_sms_from: str = ""
    twilio_backup_messaging_service_sid: str = ""
    twilio_backup_whatsapp_from: str = ""
    twilio_backup_base_url: Url = "https://api.twilio.com"

    @field_validator("twilio_sms_from", "twilio_backup_sms_from")
    @classmethod
    def _sends_sms(cls, value: str) -> str:
        return sms_sender(value) if value else value

    @field_validator("twilio_whatsapp_from", "twilio_backup_whatsapp_from")
    @classmethod
    def _sends_whatsapp(cls, value: str) -> str:
        return whatsapp_sender(value) if value else value

    def twilio_accounts(self) -> list[TwilioAccount]:
        """The accounts with credentials, the preferred one first."""
        found = []
        for prefix in ("twilio_", "twilio_backup_"):
            account = TwilioAccount(**{k: getattr(self, prefix + k) for k in TwilioAccount.model_fields})
            if account.complete:
                found.append(account)
        return found
