"""Addresses of databases and brokers: every usual spelling, and no word ignored."""

import re
from pathlib import Path

import pytest

from service.addresses import broker_urls, database_url, postgres_address


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://h/db", None),
        ("postgresql://h/db?ssl=require", "require"),
        ("postgresql://h/db?ssl=true", "require"),
        ("postgresql://h/db?ssl=off", "disable"),
        ("postgresql://h/db?ssl=prefer&sslmode=prefer", "prefer"),
        ("postgres://h/db?sslmode=disable", "disable"),
        ("postgresql+asyncpg://h/db?sslmode=verify_full&sslrootcert=system", "verify-full"),
        ("postgresql://h/db?sslrootcert=system", "verify-full"),
        (f"postgresql://h/db?sslmode=verify-ca&sslrootcert={__file__}", "verify-ca"),
    ],
)
def test_tls_in_every_usual_spelling(url: str, mode: str | None) -> None:
    assert postgres_address(database_url(url)).tls.get("sslmode") == mode


@pytest.mark.parametrize(
    ("url", "hosts", "role"),
    [
        ("postgresql://a:5433/db", (("a", 5433),), "any"),
        ("postgresql://a:1,b:2/db", (("a", 1), ("b", 2)), "primary"),
        ("postgresql://a,b/db?target_session_attrs=any", (("a", 5432), ("b", 5432)), "any"),
        ("postgresql://a:1,b:2/db?target_session_attrs=read-write", (("a", 1), ("b", 2)), "read-write"),
        ("postgresql://u@/db?host=a:1&host=b:2", (("a", 1), ("b", 2)), "primary"),
        ("postgresql://u@/db?host=a,b&port=1,2", (("a", 1), ("b", 2)), "primary"),
        ("postgresql://[::1]:7/db", (("::1", 7),), "any"),
        ("postgresql:///db?host=/run/postgresql", (("/run/postgresql", 5432),), "any"),
    ],
)
def test_one_host_or_several(url: str, hosts: tuple[tuple[str, int], ...], role: str) -> None:
    address = postgres_address(database_url(url))
    assert (address.hosts, address.role) == (hosts, role)


def test_a_login_is_decoded() -> None:
    address = postgres_address("postgresql+asyncpg://u%40x:p%2Fw%3A@h/d%20b?prepared_statement_cache_size=0")
    assert (address.user, address.password, address.database, address.cache) == ("u@x", "p/w:", "d b", 0)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://h/db?sslmode=requier", "did you mean require?"),
        ("postgresql://h/db?slmode=require", "did you mean sslmode?"),
        ("postgresql://h/db?ssl=maybe", "ssl=maybe: unknown"),
        ("postgresql://h/db?ssl=true&sslmode=disable", "say different things"),
        ("postgresql://h/db?sslmode=verify-full&sslrootcert=/nowhere.pem", "no such file"),
        ("postgresql://h/db?sslmode=require&sslrootcert=system", "write sslmode=verify-full"),
        ("postgresql://h/db?target_session_attrs=standby", "the service has to write"),
        ("postgresql://h:x/db", "the port of h=x: write a number"),
        ("postgresql://a,,b/db", "empty"),
        ("postgresql://a,b,c/db?port=1,2", "3 hosts and 2 ports"),
        ("postgresql://h/db?channel_binding=require", "asyncpg cannot bind channels"),
        ("postgresql://h/db?prepared_statement_cache_size=0&statement_cache_size=5", "differ"),
        ("postgresql://h:0/db", "the port of h=0: write a number from 1 to 65535"),
        ("postgresql://h:99999/db", "the port of h=99999"),
        ("postgresql://h:\u0663/db", "write a number"),
        ("postgresql://h/db?connect_timeout=0", "write seconds, 1 or more"),
        ("postgresql://h/db?host=other", "host is given twice"),
        ("postgresql://h/db?host=/run/postgresql", "host is given twice"),
        ("postgresql://u@h/db?user=w", "user is given twice"),
        ("postgresql://h/db?dbname=other", "dbname is given twice"),
        ("postgresql://h?dbname=one&database=other", "dbname is given twice"),
        ("mysql://h/db", "write postgresql+asyncpg://"),
        ("", "write postgresql+asyncpg://"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        database_url(url)


def test_verifying_needs_somebody_to_trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    with pytest.raises(ValueError, match="needs sslrootcert"):
        database_url("postgresql://h/db?sslmode=verify-full")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("u:geheim@h/db?slmode=require", "slmode"),
        ("u:geheim@h/db?password=other", "password is given twice"),
        ("u:geh#eim@h/db", "%23"),
        ("u:geh/eim@h/db", "%2F"),
        ("u:1/geheim@h/db", "%2F"),
        ("u:geh?eim@h/db", "%3F"),
    ],
)
def test_no_password_is_told(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        database_url(f"postgresql://{url}")
    assert "geh" not in str(refused.value).replace("given", "")
    assert "eim" not in str(refused.value)


def test_what_is_said_twice_may_be_the_same() -> None:
    address = postgres_address("postgresql+asyncpg://u%40x:p@h/db?user=u@x&host=h&dbname=db&database=db")
    assert (address.user, address.hosts, address.database) == ("u@x", (("h", 5432),), "db")


def test_several_brokers() -> None:
    assert broker_urls("amqp://a, amqps://b:5671/v") == ("amqp://a", "amqps://b:5671/v")
    for wrong in ("", "kafka://x", "memory://,amqp://a", "amqp://a,kafka://b", "amqp://u:p@ss:w/x@h"):
        with pytest.raises(ValueError, match=r"write|stands alone|no number"):
            broker_urls(wrong)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://h/?hartbeat=5", "did you mean heartbeat?"),
        ("amqp://h/?heartbeat=often", "heartbeat=often: write a number"),
        ("amqp://h/?reconnect_interval=5", "unknown parameter"),
        ("amqp://h/?cafile=/etc/hosts", "cafile is for TLS: write amqps://"),
        ("amqp://h/?no_verify_ssl=1", "write amqps://"),
        ("amqps://h/?no_verify_ssl=false", "write 0 or 1"),
        ("amqps://h/?cafile=/nowhere.pem", "no such file"),
        ("amqp://h:0/", "no number from 1"),
        ("amqp://h:99999/", "no number from 1"),
        ("amqp://u:geh#eim@h/", "%23"),
        ("amqp://u:geh/eim@h/", "%2F"),
    ],
)
def test_a_brokers_address_is_read_word_by_word(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        broker_urls(f"amqp://other,{url}")
    assert "eim" not in str(refused.value)


def test_words_of_a_brokers_address_that_act() -> None:
    for query in ("heartbeat=5&timeout=9", "auth=plain", "cafile=/etc/hosts&no_verify_ssl=0"):
        assert broker_urls(f"amqps://h/v?{query}") == (f"amqps://h/v?{query}",)
