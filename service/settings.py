"""Settings: environment variables with the prefix STAGEBELL_, or a `.env` file; all mistakes at once."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValue

from service import addresses, setting_names, setting_values, shipped
from service.mail_address import canonical_domain, sender_of
from service.setting_names import PREFIX
from service.webhook_targets import Network, networks_of

CHANNELS = ("sms", "whatsapp", "email", "push")
ENV_FILE = Path(".env")
# 32 characters of base64 hold 192 bits; NIST SP 800-57 part 1, table 2 asks for 128.
SHORTEST_SECRET = 32


class SettingsError(Exception):
    """The settings cannot be used; the text names each one and what to write instead."""


Url = Annotated[str, AfterValidator(setting_values.web_address)]


class TwilioAccount(BaseSettings):
    """One Twilio account and the senders that belong to it."""

    model_config = SettingsConfigDict(extra="ignore")
    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    sms_from: str = ""
    messaging_service_sid: str = ""
    whatsapp_from: str = ""
    base_url: Url = "https://api.twilio.com"

    @property
    def complete(self) -> bool:
        """Whether it can be used at all."""
        return bool(self.account_sid and self.auth_token.get_secret_value())


class Settings(BaseSettings):
    """Everything that can be set. See `docs/settings.md`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", env_ignore_empty=True)

    database_url: str = "sqlite+aiosqlite:///stagebell.db"
    database_listen_url: str = ""
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    broker_url: str = "memory://"
    workflows: Path = Path("templates")
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Url = ""
    brand: str = "Stagebell"
    secret_key: SecretStr = SecretStr("")
    drain_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    secret_key_previous: SecretStr = SecretStr("")
    log_format: Literal["console", "json"] | None = None

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

    smtp_url: SecretStr = SecretStr("")
    smtp_backup_url: SecretStr = SecretStr("")
    email_from: str = ""
    mail_in: str = ""
    mail_domain: str = ""

    fcm_credentials: Path | None = None
    fcm_base_url: Url = "https://fcm.googleapis.com"

    team_urls: dict[str, list[SecretStr]] = {}

    provider_team: str = ""

    require_channels: Annotated[tuple[str, ...], NoDecode] = ()

    allowed_countries: Annotated[tuple[str, ...], NoDecode] = ()
    max_per_number_per_day: Annotated[int, Field(ge=0)] = 0
    max_per_prefix_per_day: Annotated[int, Field(ge=0)] = 0
    max_sms_per_day: Annotated[int, Field(ge=0)] = 0
    sends_per_second: Annotated[float, Field(ge=0)] = 0.0
    concurrent_sends: Annotated[int, Field(ge=1, le=1000)] = 50
    time_speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    proxies: Annotated[int, Field(ge=0, le=20)] = 0
    webhook_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    calls_per_minute: Annotated[int, Field(ge=0)] = 30_000
    failures_per_minute: Annotated[int, Field(ge=0)] = 60
    streams_per_key: Annotated[int, Field(ge=0)] = 10
    retention_days: Annotated[int, Field(ge=0)] = 0
    audit_days: Annotated[int, Field(ge=0)] = 0
    link_days: Annotated[int, Field(ge=1)] = 30
    oidc_issuer: Url = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_role_claim: str = "stagebell_role"

    provider_timeout: Annotated[float, Field(gt=0, le=300)] = 20.0

    @field_validator("require_channels", "allowed_countries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("require_channels")
    @classmethod
    def _known_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [c for c in value if c not in CHANNELS]
        if unknown:
            raise ValueError(f"unknown channel {unknown[0]!r}; known: {', '.join(CHANNELS)}")
        return value

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return networks_of(value) if isinstance(value, str) else value

    @field_validator("allowed_countries")
    @classmethod
    def _upper(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(v.upper() for v in value)

    @field_validator("secret_key")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().strip()) < SHORTEST_SECRET:
            raise ValueError(
                f"at least {SHORTEST_SECRET} characters are taken, made by chance, as by `openssl rand -base64 48`. If"
                f" the database was written with the short one, set that as {PREFIX}SECRET_KEY_PREVIOUS"
            )
        return value

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        return addresses.database_url(value) if value else value

    @field_validator("database_listen_url")
    @classmethod
    def _can_listen(cls, value: str) -> str:
        if value.startswith("sqlite"):
            raise ValueError("it is PostgreSQL's direct address, past a connection pooler; with SQLite, leave it out")
        return value

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        return ",".join(addresses.broker_urls(value))

    @field_validator("smtp_url", "smtp_backup_url")
    @classmethod
    def _known_smtp(cls, value: SecretStr) -> SecretStr:
        setting_values.mail_relay(value.get_secret_value())
        return value

    @field_validator("team_urls")
    @classmethod
    def _known_ways(cls, value: dict[str, list[SecretStr]]) -> dict[str, list[SecretStr]]:
        for url in (u for urls in value.values() for u in urls):
            setting_values.way_to_team(url.get_secret_value())
        return value

    @field_validator("email_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        if value:
            sender_of(value)
        return value

    @field_validator("mail_in")
    @classmethod
    def _known_mail_in(cls, value: str) -> str:
        return setting_values.mail_port(value)

    @field_validator("mail_domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        return canonical_domain(value) if value else value

    @field_validator("fcm_credentials")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            setting_values.service_account(value)
        return value

    @model_validator(mode="after")
    def _packs_that_came_along(self) -> "Settings":
        if "workflows" not in self.model_fields_set and not self.workflows.exists():
            self.workflows = shipped.PACKS
        return self

    @model_validator(mode="after")
    def _public(self) -> "Settings":
        if not self.public_url:
            self.public_url = f"http://{self.http_host}:{self.http_port}"
        return self

    @model_validator(mode="after")
    def _accounts_are_whole(self) -> "Settings":
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret.get_secret_value()):
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, as the provider gave them")
        return self

    @model_validator(mode="after")
    def _bounces_have_a_domain(self) -> "Settings":
        if self.mail_in and not self.mail_domain:
            if not self.email_from:
                raise ValueError("MAIL_IN needs MAIL_DOMAIN, the domain of which bounces and replies come in")
            self.mail_domain = sender_of(self.email_from)[1].rpartition("@")[2]
        return self

    def twilio_accounts(self) -> list[TwilioAccount]:
        """The accounts that are complete, the first preferred."""
        found = []
        for prefix in ("twilio_", "twilio_backup_"):
            account = TwilioAccount(**{k: getattr(self, prefix + k) for k in TwilioAccount.model_fields})
            if account.complete:
                found.append(account)
        return found

    def ways_to_teams(self) -> dict[str, tuple[str, ...]]:
        """By team, its Apprise addresses and `webhook+https://` ones; they hold tokens and are never logged."""
        return {team: tuple(u.get_secret_value() for u in urls) for team, urls in self.team_urls.items()}

    def smtp_relays(self) -> list[str]:
        """The mail relays, the first preferred."""
        urls = (self.smtp_url, self.smtp_backup_url)
        return [u.get_secret_value() for u in urls if u.get_secret_value()]

    def configured_channels(self) -> dict[str, bool]:
        """Which channels have what they need to send."""
        accounts = self.twilio_accounts()
        return {
            "sms": any(a.sms_from or a.messaging_service_sid for a in accounts),
            "whatsapp": any(a.whatsapp_from for a in accounts),
            "email": bool(self.smtp_relays() and self.email_from),
            "push": self.fcm_credentials is not None,
        }


NEEDED = {
    "sms": "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_SMS_FROM or TWILIO_MESSAGING_SERVICE_SID",
    "whatsapp": "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_WHATSAPP_FROM",
    "email": "SMTP_URL and EMAIL_FROM",
    "push": "FCM_CREDENTIALS",
}


def load(**overrides: object) -> Settings:
    """The settings of this process; raises SettingsError naming every setting that is wrong."""
    fields = tuple(Settings.model_fields)
    said = setting_names.given(os.environ, ENV_FILE)
    values, lines = setting_names.from_files(said, fields)
    lines += setting_names.unknown(said, fields)
    try:
        settings = Settings(**(values | overrides))  # type: ignore[arg-type]
    except UnreadableValue as error:
        field = str(error).split('"')[1].upper() if '"' in str(error) else ""
        lines.append(f"{PREFIX}{field}: write JSON, such as " + '{"finance": ["slack://…"]}')
        raise SettingsError("\n".join(lines)) from None
    except ValidationError as error:
        lines += [
            f"{PREFIX}{'_'.join(str(s) for s in e['loc']).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None
    ready = settings.configured_channels()
    missing = [c for c in settings.require_channels if not ready[c]]
    lines += [f"{PREFIX}REQUIRE_CHANNELS asks for {c}, which needs {NEEDED[c]} (each {PREFIX}...)" for c in missing]
    if lines:
        raise SettingsError("\n".join(lines))
    return settings
