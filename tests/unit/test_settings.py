"""Settings that could not work, or would do nothing, are told at the start."""

import json
import sys
from pathlib import Path

import pytest

from service.settings import SettingsError, load
from service.starting import check_team_addresses


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"email_from": 'Cedar, "Orders" <orders@cedar.example>'}, "STAGEBELL_EMAIL_FROM: 2 senders are read in it"),
        ({"email_from": "Cedar <orders>"}, "STAGEBELL_EMAIL_FROM"),
        ({"mail_in": "smtps://127.0.0.1:24", "mail_domain": "in.cedar.example"}, "STAGEBELL_MAIL_IN: write lmtp://"),
        ({"mail_in": "lmtp://127.0.0.1", "mail_domain": "in.cedar.example"}, "STAGEBELL_MAIL_IN"),
        ({"mail_in": "lmtp://127.0.0.1:99999", "mail_domain": "in.cedar.example"}, "STAGEBELL_MAIL_IN"),
        ({"mail_in": "lmtp://127.0.0.1:24", "mail_domain": "not a domain"}, "STAGEBELL_MAIL_DOMAIN"),
        ({"mail_in": "lmtp://127.0.0.1:24"}, "MAIL_IN needs MAIL_DOMAIN"),
        ({"mail_in": "lmtp://us:secret@127.0.0.1:24", "mail_domain": "in.cedar.example"}, "it knows no passwords"),
        ({"mail_in": "lmtp://127.0.0.1:24/in", "mail_domain": "in.cedar.example"}, "STAGEBELL_MAIL_IN"),
        ({"public_url": "https://track.example?brand=cedar"}, "nothing but a path"),
        ({"public_url": "https://us:secret@track.example"}, "nothing but a path"),
        ({"public_url": "https://track .example"}, "nothing but a path"),
        ({"smtp_url": "smtp://relay.example:587?starttls=true"}, "host:port, and nothing after it"),
        ({"allowed_countries": "IN,UK"}, "STAGEBELL_ALLOWED_COUNTRIES: 'UK' is no ISO 3166 country"),
        ({"brand": "Cedar\nBcc: all@example.com"}, "STAGEBELL_BRAND: write a name of one line"),
        ({"link_days": 40_000}, "STAGEBELL_LINK_DAYS"),
        ({"secret_key": " " * 40}, "STAGEBELL_SECRET_KEY: at least 32"),
        ({"database_url": "sqlite:///a.db?timout=3"}, "STAGEBELL_DATABASE_URL: nothing may follow the file's name"),
        ({"database_listen_url": "postgresql://a/b"}, "STAGEBELL_DATABASE_LISTEN_URL does nothing beside SQLite"),
        ({"oidc_client_id": "stagebell"}, "STAGEBELL_OIDC_CLIENT_ID: does nothing without STAGEBELL_OIDC_ISSUER"),
        ({"mail_domain": "in.cedar.example"}, "STAGEBELL_MAIL_DOMAIN: does nothing without STAGEBELL_MAIL_IN"),
        ({"twilio_account_sid": "AC1"}, "STAGEBELL_TWILIO_ACCOUNT_SID: does nothing without STAGEBELL_TWILIO_AUTH_TOKEN"),
        ({"twilio_backup_sms_from": "+14155550100"}, "does nothing without STAGEBELL_TWILIO_BACKUP_ACCOUNT_SID"),
        ({"twilio_sms_from": "our service desk"}, "STAGEBELL_TWILIO_SMS_FROM: write a number in E.164"),
        ({"twilio_whatsapp_from": "Cedar"}, "STAGEBELL_TWILIO_WHATSAPP_FROM: write a number in E.164"),
        ({"team_urls": {"finance": ["webhook+ftp://hooks.example"]}}, "STAGEBELL_TEAM_URLS: write webhook+https://host"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as told:
        load(_env_file=None, **wrong)
    assert named in str(told.value)


def test_mail_comes_in_at_the_senders_domain_unless_another_is_set() -> None:
    sender = {"email_from": "Cedar <orders@Bücher.example>", "mail_in": "lmtp://127.0.0.1:24"}
    assert load(_env_file=None, **sender).mail_domain == "xn--bcher-kva.example"
    assert load(_env_file=None, mail_domain="In.Cedar.example", **sender).mail_domain == "in.cedar.example"


def test_forwarded_headers_are_trusted_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_TRUST_FORWARDED", "true")
    with pytest.raises(SettingsError, match=r"STAGEBELL_TRUST_FORWARDED: .*PROXIES=1"):
        load(_env_file=None)


def test_partitions_are_queues_of_a_broker_and_the_memory_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_INTAKE_PARTITIONS", "4")
    with pytest.raises(SettingsError, match="INTAKE_PARTITIONS"):
        load(_env_file=None)
    monkeypatch.setenv("STAGEBELL_BROKER_URL", "amqp://localhost/")
    assert load(_env_file=None).intake_partitions == 4
    monkeypatch.setenv("STAGEBELL_INTAKE_PARTITIONS", "0")
    with pytest.raises(SettingsError, match="INTAKE_PARTITIONS"):
        load(_env_file=None)


def test_networks_for_webhooks_are_named_when_they_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEBELL_WEBHOOK_ALLOW", "10.0.0.0/8,intranet")
    with pytest.raises(SettingsError, match=r"STAGEBELL_WEBHOOK_ALLOW: 'intranet' is no network"):
        load(_env_file=None)


def test_addresses_of_apprise_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    hook = "webhook+https://hooks.cedar.example/finance"
    assert load(_env_file=None, team_urls={"finance": [hook]}).team_urls
    with pytest.raises(SettingsError, match=r"STAGEBELL_TEAM_URLS: .*pip install 'stagebell\[apprise\]'"):
        load(_env_file=None, team_urls={"finance": [hook, "slack://a/b/c"]})


def test_a_key_file_whose_key_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    account = {"project_id": "p", "client_email": "a@p.example", "token_uri": "https://oauth2.example/token"}
    file.write_text(json.dumps(account | {"private_key": "-----BEGIN PRIVATE KEY-----\nnone\n"}))
    with pytest.raises(SettingsError, match=r"STAGEBELL_FCM_CREDENTIALS: the 'private_key' of .* is not an RSA key"):
        load(_env_file=None, fcm_credentials=file)


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("HTTPS://Track.Example/", "https://track.example"),
        ("https://bücher.example:8443/sendung/ü", "https://xn--bcher-kva.example:8443/sendung/%C3%BC"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
        ("https://track.example/stagebell", "https://track.example/stagebell"),
    ],
)
def test_a_public_address_is_what_headers_and_signatures_can_hold(written: str, used: str) -> None:
    assert load(_env_file=None, public_url=written).public_url == used


def test_an_address_that_apprise_cannot_use_is_told_at_the_start_without_its_tokens() -> None:
    check_team_addresses({"finance": ["json://hooks.example/x", "webhook+https://hooks.example"]})
    with pytest.raises(SettingsError) as told:
        check_team_addresses({"finance": ["slak://tokenA/tokenB"]})
    assert "STAGEBELL_TEAM_URLS.finance: Apprise does not know addresses of this form: slak://…" in str(told.value)
    assert "token" not in str(told.value)
