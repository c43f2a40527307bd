"""Settings that need another one: a setting without effect is refused at start-up, naming what is missing."""

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from service.setting_names import PREFIX

_ACCOUNTS: Final = ("twilio", "twilio_backup")
_NEED: Final[Sequence[tuple[Sequence[str], str]]] = (
    (("oidc_client_id", "oidc_client_secret", "oidc_role_claim"), "oidc_issuer"),
    (("mail_domain",), "mail_in"),
    *(((f"{account}_account_sid",), f"{account}_auth_token") for account in _ACCOUNTS),
    *(((f"{account}_auth_token",), f"{account}_account_sid") for account in _ACCOUNTS),
    # Without the first account its channels are captured, and a line at the start says what they need; the second is
    # what nobody would miss before it was needed.
    (
        tuple(f"twilio_backup_{name}" for name in ("sms_from", "messaging_service_sid", "whatsapp_from", "base_url")),
        "twilio_backup_account_sid",
    ),
)


def set_alone(settings: BaseModel) -> Iterator[str]:
    """A line for each setting that lacks another one."""
    given = {name for name in settings.model_fields_set if getattr(settings, name)}
    for names, needed in _NEED:
        for name in names:
            if name in given and needed not in given:
                yield f"{PREFIX}{name.upper()}: does nothing without {PREFIX}{needed.upper()}"
