"""Settings: environment variables with the prefix STAGEBELL_, or a `.env` file; all mistakes at once."""

import os
from pathlib import Path
from typing import Annotated, Literal

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValue

from service import addresses, prices, s3_address, setting_groups, setting_names, setting_values, shipped
from service.channels import registry
from service.channels.channel import Channel
from service.channels.email.settings import MailSettings
from service.channels.push.settings import PushSettings
from service.channels.registry import ChannelError
from service.channels.twilio.settings import TwilioSettings
from service.mail_address import canonical_domain, sender_of
from service.setting_names import PREFIX
from service.setting_values import Url
from service.webhook_targets import Network, networks_of

ENV_FILE = Path(".env")
# 32 characters of base64 hold 192 bits; NIST SP 800-57 part 1, table 2 asks for 128.
SHORTEST_SECRET = 32
# A hundred years: beyond what a date can hold, every sweep and every link would fail.
MOST_DAYS = 36_500


class SettingsError(Exception):
    """The settings cannot be used; the text names each one and what to write instead."""


class Settings(BaseSettings, TwilioSettings, MailSettings, PushSettings):
    """Everything that can be set. See `docs/settings.md`. What a channel alone needs is declared in its folder."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", env_ignore_empty=True)

    database_url: str = "sqlite+aiosqlite:///stagebell.db"
    database_listen_url: str = ""
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    broker_url: str = "memory://"
    intake_partitions: Annotated[int, Field(ge=1, le=64)] = 1
    workflows: Path = Path("templates")
    words: Literal["ledger", "folder"] = "ledger"
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Url = ""
    brand: Annotated[str, AfterValidator(setting_values.one_line)] = "Stagebell"
    secret_key: SecretStr = SecretStr("")
    drain_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    secret_key_previous: SecretStr = SecretStr("")
    log_format: Literal["console", "json"] | None = None

    mail_in: str = ""
    mail_domain: str = ""

    team_urls: dict[str, list[SecretStr]] = {}

    provider_team: str = ""

    require_channels: Annotated[tuple[str, ...], NoDecode] = ()

    allowed_countries: Annotated[tuple[str, ...], NoDecode] = ()
    max_per_number_per_day: Annotated[int, Field(ge=0)] = 0
    max_per_prefix_per_day: Annotated[int, Field(ge=0)] = 0
    max_sms_per_day: Annotated[int, Field(ge=0)] = 0
    sends_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    concurrent_sends: Annotated[int, Field(ge=1, le=1000)] = 50
    time_speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    proxies: Annotated[int, Field(ge=0, le=20)] = 0
    webhook_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    calls_per_minute: Annotated[int, Field(ge=0)] = 30_000
    failures_per_minute: Annotated[int, Field(ge=0)] = 60
    streams_per_key: Annotated[int, Field(ge=0)] = 10
    retention_days: Annotated[int, Field(ge=0, le=MOST_DAYS)] = 0
    audit_days: Annotated[int, Field(ge=0, le=MOST_DAYS)] = 0
    link_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 30
    oidc_issuer: Url = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_role_claim: str = "stagebell_role"
    oidc_scope_claim: str = ""

    attachments: str = "ledger"
    prices: Path | None = None

    provider_timeout: Annotated[float, Field(gt=0, le=300)] = 20.0

    # Of channels that other packages bring, by channel.
    _of_channels: dict[str, BaseModel] = PrivateAttr(default_factory=dict)

    @field_validator("require_channels", "allowed_countries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("require_channels")
    @classmethod
    def _known_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = registry.channels()
        unknown = [c for c in value if c not in known]
        if unknown:
            raise ValueError(f"unknown channel {unknown[0]!r}; known: {', '.join(known)}")
        return value

    @field_validator("attachments")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value != "ledger":
            s3_address.bucket_of(value)
        return value

    @field_validator("prices")
    @classmethod
    def _readable_prices(cls, value: Path | None) -> Path | None:
        try:
            prices.load(value, registry.channels())
        except prices.PricesError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return networks_of(value) if isinstance(value, str) else value

    @field_validator("allowed_countries")
    @classmethod
    def _countries(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(v.upper() for v in value)
        if unknown := [code for code in codes if code not in phonenumbers.SUPPORTED_REGIONS]:
            raise ValueError(
                f"{unknown[0]!r} is no ISO 3166 country with phone numbers; write two letters, such as IN,GB"
            )
        return codes

    @field_validator("secret_key")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if secret and len(secret.strip()) < SHORTEST_SECRET:
            raise ValueError(
                f"at least {SHORTEST_SECRET} characters are needed, random as those of `openssl rand -base64 48`. If"
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

    @field_validator("team_urls")
    @classmethod
    def _valid_endpoints(cls, value: dict[str, list[SecretStr]]) -> dict[str, list[SecretStr]]:
        for url in (u for urls in value.values() for u in urls):
            setting_values.team_endpoint(url.get_secret_value())
        return value

    @field_validator("mail_in")
    @classmethod
    def _known_mail_in(cls, value: str) -> str:
        return setting_values.mail_port(value)

    @field_validator("mail_domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        return canonical_domain(value) if value else value

    @model_validator(mode="after")
    def _packs_that_came_along(self) -> "Settings":
        if "workflows" not in self.model_fields_set and not self.workflows.exists():
            self.workflows = shipped.PACKS
        return self

    @model_validator(mode="after")
    def _listens_to_postgresql(self) -> "Settings":
        if self.database_listen_url and self.database_url.startswith("sqlite"):
            raise ValueError(
                "DATABASE_LISTEN_URL does nothing beside SQLite: set DATABASE_URL=postgresql://…, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _partitions_have_a_broker(self) -> "Settings":
        if self.intake_partitions > 1 and self.broker_url.startswith("memory"):
            raise ValueError("INTAKE_PARTITIONS are queues of RabbitMQ: set BROKER_URL=amqp://..., or leave it out")
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

    def team_endpoints(self) -> dict[str, tuple[str, ...]]:
        """By team, its Apprise addresses and `webhook+https://` ones; they hold tokens and are never logged."""
        return {team: tuple(u.get_secret_value() for u in urls) for team, urls in self.team_urls.items()}

    def of(self, channel: Channel) -> BaseModel:
        """What a channel reads: ours where they come along with it, else its own."""
        return self if isinstance(self, channel.settings) else self._of_channels.get(channel.name, channel.settings())

    def give(self, channel: Channel, settings: BaseModel) -> None:
        """What was set for a channel of another package."""
        self._of_channels[channel.name] = settings

    def configured_channels(self) -> dict[str, bool]:
        """Which channels have what they need to send."""
        return {name: channel.is_ready(self.of(channel)) for name, channel in registry.channels().items()}


def _place(loc: tuple[int | str, ...]) -> str:
    """The setting, and where in its JSON: `TEAM_URLS.finance`."""
    return ".".join([*(str(s).upper() for s in loc[:1]), *map(str, loc[1:])])


def load(**overrides: object) -> Settings:
    """The settings of this process; raises SettingsError naming every setting that is wrong."""
    try:
        foreign = {n: c for n, c in registry.channels().items() if not issubclass(Settings, c.settings)}
    except ChannelError as error:
        raise SettingsError(str(error)) from None
    own = {f"{name}_{field}": name for name, c in foreign.items() for field in c.settings.model_fields}
    fields = tuple(Settings.model_fields)
    texts = setting_names.given(os.environ, ENV_FILE)
    values, lines = setting_names.from_files(texts, (*fields, *own))
    lines += [*setting_names.unknown(texts, (*fields, *own)), *setting_names.given_twice(os.environ, ENV_FILE)]
    theirs = {f: v for f in own if (v := values.pop(f, "") or texts.get(PREFIX + f.upper(), ""))}
    try:
        settings = Settings(**(values | overrides))  # type: ignore[arg-type]
    except UnreadableValue as error:
        field = str(error).split('"')[1].upper() if '"' in str(error) else ""
        lines.append(f"{PREFIX}{field}: write JSON, such as " + '{"finance": ["slack://…"]}')
        raise SettingsError("\n".join(lines)) from None
    except ValidationError as error:
        raise SettingsError("\n".join([*lines, *_mistakes(error)])) from None
    for name, channel in foreign.items():
        try:
            given = {f: theirs[f"{name}_{f}"] for f in channel.settings.model_fields if f"{name}_{f}" in theirs}
            settings.give(channel, channel.settings.model_validate(given))
        except ValidationError as error:
            lines += _mistakes(error, f"{name}_")
    if not lines:
        lines = [*setting_groups.set_alone(settings), *_missing(settings)]
    if lines:
        raise SettingsError("\n".join(lines))
    return settings


def _mistakes(error: ValidationError, prefix: str = "") -> list[str]:
    """A line for each setting that is wrong; `prefix`: of the channel whose settings these are."""
    mistakes = ((_place(e["loc"]), e["msg"].removeprefix("Value error, ")) for e in error.errors())
    return [f"{PREFIX}{prefix.upper()}{place}: {words}" if place else f"{PREFIX}{words}" for place, words in mistakes]


def _missing(settings: Settings) -> list[str]:
    ready = settings.configured_channels()
    return [
        f"{PREFIX}REQUIRE_CHANNELS asks for {c}, which needs {registry.channels()[c].needs} (each {PREFIX}...)"
        for c in settings.require_channels
        if not ready[c]
    ]
