"""What push needs to be set."""

from pathlib import Path

from pydantic import BaseModel, field_validator

from service.setting_values import Url, service_account


class PushSettings(BaseModel):
    """A Firebase project: the key file of its service account, and where its API is."""

    fcm_credentials: Path | None = None
    fcm_base_url: Url = "https://fcm.googleapis.com"

    @field_validator("fcm_credentials")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            service_account(value)
        return value
