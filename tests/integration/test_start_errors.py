"""Starts that cannot work: each is one line that names the setting and what to do, and none waits or shows a traceback."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.running import migrate_database, run_service
from service.ledger.database.upgrading import SchemaError
from service.settings import SettingsError
from tests.support.ports import free_port
from tests.support.world import ROOT

ALL = ("intake", "dispatch", "clock", "relay", "web")
ACCOUNT = {"project_id": "p", "client_email": "c@p.example", "private_key": "k", "token_uri": "https://t.example"}
KEY = "a secret key for tests, and long enough"
MAIL = {"EMAIL_FROM": "orders@cedar.example"}
NOT_JSON, NO_KEY, NO_BASE, EMPTY = "{folder}/not.json", "{folder}/no_key.json", "{folder}/no.db", "{folder}/empty"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which everything is well, and some files that are not what they should be."""
    (tmp_path / "not.json").write_text("{nope")
    (tmp_path / "no_key.json").write_text(json.dumps({k: v for k, v in ACCOUNT.items() if k != "private_key"}))
    (tmp_path / "no.db").write_text("a shopping list, " * 500)
    (tmp_path / "empty").mkdir()
    well = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/ledger.db",
        "WORKFLOWS": str(ROOT / "templates"),
        "HTTP_PORT": "0",
        "SECRET_KEY": KEY,
        "LOG_FORMAT": "json",
    }
    for name, value in well.items():
        monkeypatch.setenv(f"STAGEBELL_{name}", value)
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"HTTP_PORT": "{taken}"}, "STAGEBELL_HTTP_PORT: cannot listen at 127.0.0.1:.*in use; stop what listens there"),
        ({"HTTP_HOST": "nowhere.invalid"}, "STAGEBELL_HTTP_HOST: nowhere.invalid:0 is no address of this machine"),
        ({"HTTP_PORT": "eighty"}, "STAGEBELL_HTTP_PORT: .*valid integer"),
        ({"WORKFLOWS": "/nowhere"}, "STAGEBELL_WORKFLOWS: no readable folder at /nowhere; name"),
        ({"WORKFLOWS": NOT_JSON}, "STAGEBELL_WORKFLOWS: no readable folder"),
        ({"WORKFLOWS": EMPTY}, "STAGEBELL_WORKFLOWS: no pack in .*stagebell new NAME"),
        ({"SMTP_URL": "mail.example", **MAIL}, "STAGEBELL_SMTP_URL: write smtp://"),
        ({"SMTP_URL": "smtp://relay:99999", **MAIL}, "STAGEBELL_SMTP_URL: write smtp://"),
        ({"SMTP_BACKUP_URL": "smtp://", **MAIL}, "STAGEBELL_SMTP_BACKUP_URL: write smtp://"),
        ({"SMTP_URL": "smtp://u:p@ss:w@relay:x", **MAIL}, "STAGEBELL_SMTP_URL: .*written %40"),
        (
            {"FCM_CREDENTIALS": "/nowhere.json"},
            "STAGEBELL_FCM_CREDENTIALS: no file at /nowhere.json; it is the service",
        ),
        ({"FCM_CREDENTIALS": NOT_JSON}, "STAGEBELL_FCM_CREDENTIALS: .*not.json is not JSON; it is the service account"),
        ({"FCM_CREDENTIALS": NO_KEY}, "STAGEBELL_FCM_CREDENTIALS: .* has no 'private_key'"),
        ({"DATABASE_URL": "sqlite+aiosqlite:////nowhere/x.db"}, "STAGEBELL_DATABASE_URL: .*can this user write"),
        (
            {"DATABASE_URL": f"sqlite+aiosqlite:///{NO_BASE}"},
            "STAGEBELL_DATABASE_URL: .*not a database: .*name another",
        ),
        ({"BROKER_URL": "amqp://"}, "STAGEBELL_BROKER_URL: names no host; write amqp://"),
        ({"TEAM_URLS": "slack://x"}, "STAGEBELL_TEAM_URLS: write JSON"),
        ({"TEAM_URLS": '{"tech": ["nope"]}'}, "STAGEBELL_TEAM_URLS: write an Apprise address"),
        ({"PUBLIC_URL": "track.example"}, "STAGEBELL_PUBLIC_URL: write https://host"),
        ({"TWILIO_BASE_URL": "api.twilio.com"}, "STAGEBELL_TWILIO_BASE_URL: write https://host"),
        ({"FCM_BASE_URL": "fcm"}, "STAGEBELL_FCM_BASE_URL: write https://host"),
        ({"OIDC_ISSUER": "https://id.example"}, "OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET"),
        ({"LOG_FORMAT": "xml"}, "STAGEBELL_LOG_FORMAT: Input should be 'console' or 'json'"),
        (
            {"MAIL_IN": "lmtp://127.0.0.1:{taken}", "MAIL_DOMAIN": "in.cedar.example"},
            "STAGEBELL_MAIL_IN: cannot listen",
        ),
        ({"REQUIRE_CHANNELS": "sms"}, "STAGEBELL_REQUIRE_CHANNELS asks for sms, which needs TWILIO_ACCOUNT_SID"),
        ({"HTTP_PROT": "1"}, "STAGEBELL_HTTP_PROT: .*did you mean STAGEBELL_HTTP_PORT"),
    ],
)
async def test_what_cannot_work_is_a_line_with_the_setting_and_the_remedy(
    folder: Path, taken: int, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"STAGEBELL_{name}", value.replace("{folder}", str(folder)).replace("{taken}", str(taken)))
    with pytest.raises(SettingsError, match=words) as told:
        await run_service(ALL)
    assert "\n" not in str(told.value)
    assert "p@ss" not in str(told.value)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("cook",), "--roles: unknown role 'cook'"),
        ((), "--roles: names none"),
        (("intake", "dispatch"), "STAGEBELL_BROKER_URL: memory:// lives inside one process.*set amqp://"),
    ],
)
async def test_roles_of_which_nothing_could_come(folder: Path, roles: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        await run_service(roles)


async def test_another_key_than_the_databases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await migrate_database()
    monkeypatch.setenv("STAGEBELL_SECRET_KEY", KEY[::-1])
    with pytest.raises(SchemaError, match=r"STAGEBELL_SECRET_KEY is not the one this database was written with; \w+"):
        await run_service(ALL)


async def test_traces_that_cannot_leave(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL: .*http/protobuf"):
        await run_service(ALL)
