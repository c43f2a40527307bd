"""Orders of other scripts, from the event to what their readers, and an agent at the desk, see."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Caller
from tests.support.events import NOON, event
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT, World, settings_for

CUSTOMER = {"name": "محمد", "phone": "+201001234567", "email": "m@example.com", "locale": "ar-EG"}
DRIVER = {"role": "driver", "id": "d-1", "name": "Ravi (VIP)", "phone": "+20 100 765 4321"}


@cache
def regional() -> Path:
    return copied(*(ROOT / "tests/data/packs").iterdir())


@pytest.fixture
async def world(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """The service with the packs of other scripts, and the usual layouts."""
    w = World(
        settings_for(providers, mailbox, database_url=sqlite_url, workflows=regional(), brand="Cedar & Co."),
        providers,
        mailbox,
    )
    await w.start()
    yield w
    await w.close()


async def test_an_arabic_order_reads_from_right_to_left(world: World, caller: Caller) -> None:
    said: dict[str, Any] = {
        "workflow": "tawseel",
        "price": {"amount": "1250.50", "currency": "EGP"},
        "eta": (NOON + timedelta(hours=2)).isoformat(),
    }
    await world.accept(
        event("ORD-1", "created", recipients={"customer": CUSTOMER}, attributes={"boxes": 2}, **said),
        event("ORD-1", "en_route", workflow="tawseel", assignee=DRIVER),
    )
    await world.settled()
    first, second = world.providers.of("sms")
    assert first.text.startswith(
        "\u200f\u2068Cedar & Co.\u2069: استلمنا طلبك \u2068ORD-1\u2069 وفيه علبتان.\nhttps://track.example/t/"
    )
    assert (
        "\u2068Ravi (VIP)\u2069 في الطريق إليك بالطلب \u2068ORD-1\u2069، الهاتف +201007654321"
        in second.text.replace("\u2068+201007654321\u2069", "+201007654321")
    )
    (mail,) = world.mailbox.mails
    assert mail.subject == "استلمنا طلبك \u2068ORD-1\u2069"
    assert '<html lang="ar" dir="rtl">' in mail.part("html")
    assert mail.part("plain").startswith("مرحباً محمد،")
    agent, nobody = await caller("agent"), await caller("")
    url = (await agent.get("/v1/orders/tawseel/ORD-1/link"))[1]["url"]
    page = (await nobody.get(url.removeprefix("https://track.example")))[1]
    assert '<html lang="ar" dir="rtl">' in page
    assert "<bdi>ORD-1</bdi>" in page
    assert "الوصول المتوقع" in page
    assert (
        '<html lang="en" dir="ltr">' in (await nobody.get(url.removeprefix("https://track.example") + "?lang=en-GB"))[1]
    )
    desk = (await agent.get("/desk/orders/tawseel/ORD-1"))[1]
    assert '<p class="text" dir="auto">' in desk
    assert '<strong class="big" dir="auto">استلمنا الطلب' in desk or 'dir="auto">في الطريق إليكم' in desk


async def test_the_browsers_languages_count_in_their_order(world: World, caller: Caller) -> None:
    await world.accept(event("ORD-2", "created", workflow="tawseel", recipients={"customer": {"name": "Asha"}}))
    url = (await (await caller("agent")).get("/v1/orders/tawseel/ORD-2/link"))[1]["url"]
    nobody = await caller("")
    for asked, lang in (
        ("fr-CA, en-GB;q=0.8, ar;q=0.5", "en"),
        ("fr, *;q=0.1", "ar"),
        ("ar-SA,en", "ar"),
        ("," * 5000, "ar"),
    ):
        headers = {"Accept-Language": asked}
        async with nobody.session.get(world.http + url.removeprefix("https://track.example"), headers=headers) as page:
            assert f'<html lang="{lang}"' in await page.text()


async def test_a_preview_says_which_letter_makes_it_dear(world: World, caller: Caller) -> None:
    polish = {"name": "Asia", "phone": "+48512345678", "locale": "pl-PL"}
    await world.accept(event("P-1", "created", workflow="paczka", recipients={"customer": polish}))
    agent = await caller("agent")
    asked = {"reason": "delay", "channels": ["sms"], "preview": True}
    status, shown = await agent.post("/v1/orders/paczka/P-1/notices", asked)
    assert status == 200
    (message,) = shown["messages"]
    assert "'ó' (U+00F3)" in message["remark"]
    assert "in place of 1" in message["remark"]
    assert message["segments"] > 1
