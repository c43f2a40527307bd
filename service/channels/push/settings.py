"""The settings of push."""

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel, field_validator

from service.setting_values import Url

# Google, "Service account credentials": required for getting a token.
_ACCOUNT: Final = ("project_id", "client_email", "private_key", "token_uri")


class PushSettings(BaseModel):
    """A Firebase project: the key file of its service account, and the URL of the API."""

    fcm_credentials: Path | None = None
    fcm_base_url: Url = "https://fcm.googleapis.com"

    @field_validator("fcm_credentials")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            _service_account(value)
        return value


def _service_account(path: Path) -> None:
    """Check that the file is a readable key of a Google service account; raises ValueError."""
    remedy = "it is the service account's JSON key (Firebase console, Project settings, Service accounts)"
    if not path.is_file():
        raise ValueError(f"no file at {path}; {remedy}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; let the service's user read it") from None
    except ValueError:
        raise ValueError(f"{path} is not JSON; {remedy}") from None
    missing = [name for name in _ACCOUNT if not (isinstance(document, dict) and document.get(name))]
    if missing:
        raise ValueError(f"{path} has no {missing[0]!r}; {remedy}")
    from service.channels.push.token import signing_key

    try:
        signing_key(str(document["private_key"]))
    except ValueError:
        raise ValueError(f"the 'private_key' of {path} is not an RSA key in PEM; {remedy}") from None
