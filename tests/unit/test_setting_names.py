"""Settings: a name that nobody reads is refused; values may come from files."""

import os
import re
from pathlib import Path

import pytest

from service import settings as settings_module
from service.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.upper().startswith("STAGEBELL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("STAGEBELL_RETENTION_DAY", "did you mean STAGEBELL_RETENTION_DAYS?"),
        ("STAGEBELL_HTTP_PROT", "did you mean STAGEBELL_HTTP_PORT?"),
        ("stagebell_databse_url", "did you mean STAGEBELL_DATABASE_URL?"),
        ("STAGEBELL_SECRET_KEY_FIEL", "did you mean STAGEBELL_SECRET_KEY"),
        ("STAGEBELL_PORT_8080_TCP", "enableServiceLinks: false"),
        ("STAGEBELL_SERVICE_HOST", "enableServiceLinks: false"),
        ("STAGEBEL_HTTP_PORT", "did you mean STAGEBELL_HTTP_PORT?"),
        ("STAGE_BELL_SECRET_KEY", "did you mean STAGEBELL_SECRET_KEY?"),
        ("STAGEBELLHTTP_PORT", "did you mean STAGEBELL_HTTP_PORT?"),
        ("STAGEBELL_WHATEVER_ELSE", "there is no such setting"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_unknown_name_is_refused_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str, place: str
) -> None:
    if place == "environment":
        monkeypatch.setenv(name, "x")
    else:
        Path(".env").write_text(f"{name}=x\n")
    with pytest.raises(SettingsError) as refused:
        settings_module.load()
    assert f"{name.upper()}: " in str(refused.value)
    assert words in str(refused.value)


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_HTTP_PORT", "70000")
    monkeypatch.setenv("STAGEBELL_HTTP_PROT", "1")
    monkeypatch.setenv("STAGEBELL_BROKER_URL", "kafka://x")
    with pytest.raises(SettingsError) as refused:
        settings_module.load()
    assert len(str(refused.value).splitlines()) == 3


def test_what_is_wrong_within_a_setting_is_told_by_the_settings_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_TEAM_URLS", '{"finance": "slack://a/b/c"}')
    with pytest.raises(SettingsError, match=r"^STAGEBELL_TEAM_URLS\.finance: "):
        settings_module.load()


def test_others_names_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("POSTGRES_PASSWORD=x\nSTAGEBELL_HTTP_PORT=81\n")
    for name in ("STAGEBELL_TEST_SEED", "STAGEBELL_FAILPOINT", "SOMETHING", "STAGE", "STAGING_URL"):
        monkeypatch.setenv(name, "1")
    assert settings_module.load().http_port == 81


def test_a_value_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("long and random, as every secret should be\n")
    monkeypatch.setenv("STAGEBELL_SECRET_KEY_FILE", str(secret))
    assert settings_module.load().secret_key.get_secret_value() == "long and random, as every secret should be"
    monkeypatch.setenv("STAGEBELL_SECRET_KEY", "another")
    with pytest.raises(SettingsError, match="STAGEBELL_SECRET_KEY is set too"):
        settings_module.load()
    monkeypatch.delenv("STAGEBELL_SECRET_KEY")
    monkeypatch.setenv("STAGEBELL_SECRET_KEY_FILE", "/nowhere")
    with pytest.raises(SettingsError, match="STAGEBELL_SECRET_KEY_FILE: cannot read /nowhere"):
        settings_module.load()


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    table = re.findall(r"^\| (`[A-Z].*?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    documented = {name for cell in table for name in re.findall(r"`([A-Z][A-Z0-9_]*)`", cell)}
    fields = {f.upper() for f in Settings.model_fields}
    hidden = {"TWILIO_BACKUP_" + f.removeprefix("TWILIO_") for f in fields if f.startswith("TWILIO_")} | {
        "SMTP_BACKUP_URL"
    }
    assert documented - fields == set(), "docs/settings.md describes what cannot be set"
    assert fields - documented - hidden == set(), "add these to docs/settings.md"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("STAGEBELL_BRAND=Cedar\nstagebell_brand=Oak\n", "STAGEBELL_BRAND: stands twice in .env"),
        ('STAGEBELL_TEAM_URLS={"tech": [], "tech": ["webhook+https://x.example"]}\n', "TEAM_URLS: tech: comes twice"),
    ],
)
def test_what_is_said_twice_and_differs_is_refused(lines: str, words: str) -> None:
    Path(".env").write_text(lines)
    with pytest.raises(SettingsError) as refused:
        settings_module.load()
    assert words in str(refused.value)


def test_what_is_said_twice_alike_is_said_once() -> None:
    Path(".env").write_text("STAGEBELL_BRAND=Cedar\nSTAGEBELL_BRAND=Cedar\n")
    assert settings_module.load().brand == "Cedar"


def test_two_spellings_of_a_name_in_the_environment_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_BRAND", "Cedar")
    monkeypatch.setenv("stagebell_brand", "Cedar")
    assert settings_module.load().brand == "Cedar"
    monkeypatch.setenv("stagebell_brand", "Oak")
    with pytest.raises(SettingsError, match="STAGEBELL_BRAND: stands twice in the environment, and differs"):
        settings_module.load()
