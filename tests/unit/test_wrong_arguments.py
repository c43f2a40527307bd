"""What a command is given that can be nothing: it says so and does nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from service.cli import audit
from service.cli.running import create_key, print_webhook_secret

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("url", ["", "shop", "shop.example/hook", "ftp://shop.example", "https://"])
async def test_a_secret_is_for_a_web_address(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await print_webhook_secret(url) == 1
    assert "https://shop.example/hook" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
async def test_a_key_says_whose_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await create_key("agent", name) == 1
    assert "NAME: write a name of one line" in capsys.readouterr().err


async def test_nothing_lies_between_an_end_and_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert await audit.export(NOW, NOW - timedelta(days=1), as_csv=False) == 1
    assert "--until" in capsys.readouterr().err
