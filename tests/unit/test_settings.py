"""Settings of mail: what can be no sender, and where mail comes in, are told at the start."""

import pytest

from service.settings import SettingsError, load


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
    ],
)
def test_mail_settings_that_cannot_work_are_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as told:
        load(_env_file=None, **wrong)
    assert named in str(told.value)


def test_mail_comes_in_at_the_senders_domain_unless_another_is_set() -> None:
    sender = {"email_from": "Cedar <orders@Bücher.example>", "mail_in": "lmtp://127.0.0.1:24"}
    assert load(_env_file=None, **sender).mail_domain == "xn--bcher-kva.example"
    assert load(_env_file=None, mail_domain="In.Cedar.example", **sender).mail_domain == "in.cedar.example"
