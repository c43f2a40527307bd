"""Every line of the lifecycles, as a case of a scenario file, through the whole service with a moved clock."""

from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from tests.support.events import NOON
from tests.support.providers import Sent
from tests.support.scenarios import at, cases, escalated, play, told, written
from tests.support.world import World

CASES = list(cases())


def silence(world: World, case: dict[str, Any]) -> None:
    """Providers that are away: on some channels, from or until some moment."""
    channels = case.get("silent", ["sms", "whatsapp", "push"] if "silent_after" in case else [])

    def away(channel: str) -> bool:
        passed = world.clock.now() - NOON
        if "heals" in case and passed >= at(case["heals"]):
            return False
        return channel in channels and passed >= at(case.get("silent_after", 0))

    async def behave(sent: Sent) -> web.StreamResponse | None:
        if not away(sent.channel):
            return None
        body = {"code": 20429, "message": "slow down", "status": 429}
        return web.json_response(body, status=429, headers={"Retry-After": "60"})

    world.providers.behave = behave
    world.mailbox.refuse_rcpt = lambda _to: "451 later" if away("email") else None


@pytest.mark.parametrize(("workflow", "case"), CASES, ids=[f"{w}: {c['name']}" for w, c in CASES])
async def test_scenario(world: World, workflow: str, case: dict[str, Any]) -> None:
    silence(world, case)
    view, refused = await play(world, workflow, case)
    if "told" in case:
        assert told(view) == case["told"]
    for notice, when in case.get("told_of", {}).items():
        assert {written(m["sent"]) for m in view["messages"] if m["notice"] == notice and m["sent"]} == {when}
    if "escalations" in case:
        assert escalated(view) == case["escalations"]
    if "severity" in case:
        assert view["escalations"][0]["severity"] == case["severity"]
    if "clocks" in case:
        states = {c["name"]: c["state"] for c in view["clocks"]}
        assert {name: states.get(name) for name in case["clocks"]} == case["clocks"]
    if "states" in case:
        assert Counter(m["state"] for m in view["messages"]) == case["states"]
    lines = {f"{written(t['at'])} {t['kind']} {t.get('clock', '')}".strip() for t in view["timeline"]}
    assert set(case.get("timeline", ())) <= lines
    assert len(refused) == len(case.get("refused", ()))
    for reason, words in zip(refused, case.get("refused", ()), strict=True):
        assert words in reason
    mails = "\n".join(m.part("plain") for m in world.mailbox.mails)
    assert all(words in mails for words in case.get("mail_has", ()))
    assert not any(words in mails for words in case.get("mail_lacks", ()))
    if "mailed_to" in case:
        assert Counter(m.to for m in world.mailbox.mails if m.to in case["mailed_to"]) == case["mailed_to"]
