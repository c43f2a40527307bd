"""Scenario files: events at times and their expected results, as readable tables.

- name: what it shows
  events:
    - {at: 0h, status: pending, recipients: {customer: {...}}}   # the rest of a line is the event's data
  until: 50h
  told: ["0h new_order provider email"]        # when, notice, audience, channel; in order of planning
  escalations: ["24h vendor_ops provider_not_answering resolved"]
  clocks: {provider_answers: breached}
  refused: ["cannot follow"]
  receipts: [whatsapp]                         # channels on which what was taken is delivered at once
  on_real_parts: true                          # played on database, broker and providers by `make test`, too
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from service.domain.notices import Accepted, Message, ProviderResult, Transient
from service.workflows.durations import parse_duration
from service.workflows.yaml_lines import LOADER
from tests.support.events import NOON, event
from tests.support.life import Life
from tests.support.world import World

FOLDER = Path(__file__).parents[1] / "scenarios"
PEOPLE: dict[str, Any] = {
    "customer": {"name": "Asha", "phone": "+919812345678", "whatsapp": "+919812345678", "email": "asha@example.com",
                 "push_tokens": ["token-asha"], "locale": "en", "timezone": "UTC"},
    "reseller": {"name": "Rita", "email": "rita@example.com", "locale": "en"},
    "provider": {"name": "Fibra", "email": "orders@fibra.example", "locale": "en"},
    "sender": {"name": "Cedar", "email": "sender@cedar.example", "locale": "en"},
    "partner": {"name": "Pia", "email": "pia@example.com", "locale": "en", "timezone": "UTC"},
    "watchers": [{"name": "W1", "email": "w1@example.com"}, {"name": "W2", "email": "w2@example.com"}],
}  # fmt: skip


class Played(Struct, frozen=True):
    """The result of a case: the order at the end, the reasons of rejected events, and (address, text) of each mail."""

    view: dict[str, Any]
    refused: list[str]
    mails: list[tuple[str, str]]


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """(workflow, case) of every file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        document = yaml.load(file.read_text(), LOADER)
        for case in document["cases"]:
            yield document["workflow"], {**document.get("defaults", {}), **case}


def at(text: str | int) -> timedelta:
    """Parse `3h` or `0` as a timedelta."""
    parsed: timedelta = parse_duration(text if text else "0s")
    return parsed


def written(moment: datetime | timedelta, start: datetime = NOON) -> str:
    """Times as in scenario files: in the largest unit that divides them."""
    passed = moment - start if isinstance(moment, datetime) else moment
    seconds = round(passed.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def as_event(workflow: str, line: dict[str, Any], order_id: str) -> dict[str, Any]:
    """One line of a scenario as an event; `*_in: 48h` is a date relative to the start."""
    said = dict(line)
    moment = NOON + at(said.pop("at"))
    kind = (
        "order.status_changed"
        if "status" in said
        else "order.issue_reported"
        if "issue" in said
        else "order.note_added"
        if "note" in said
        else "order.updated"
    )
    people = said.pop("people", ())
    if people:
        said["recipients"] = {**{name: PEOPLE[name] for name in people}, **said.get("recipients", {})}
    data = {k: _dated(v) for k, v in said.items()}
    return event(order_id, at=moment, kind=kind, **{**data, "workflow": workflow})


def _dated(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("+") and value[1:2].isdigit() and value[-1] in "hmd":
        return (NOON + at(value[1:])).isoformat()
    if isinstance(value, dict):
        return {k: _dated(v) for k, v in value.items()}
    return value


def is_away(case: dict[str, Any], channel: str, passed: timedelta) -> bool:
    """Whether the channel's provider is unavailable this long after the start."""
    if "heals" in case and passed >= at(case["heals"]):
        return False
    channels = case.get("silent", ["sms", "whatsapp", "push"] if "silent_after" in case else [])
    return channel in channels and passed >= at(case.get("silent_after", 0))


def providers_of(case: dict[str, Any]) -> Callable[[Message, datetime], ProviderResult]:
    """Providers that are unavailable when the case says so."""

    def answer(n: Message, now: datetime) -> ProviderResult:
        if is_away(case, n.channel, now - NOON):
            return Transient("in memory", "429", "slow down", at_least=60.0)
        return Accepted("in memory", str(n.id))

    return answer


def surround(life: Life, case: dict[str, Any]) -> None:
    """Set the case's providers for a life."""
    life.provider = providers_of(case)
    life.receipts = frozenset(case.get("receipts", ()))


def play_in_memory(life: Life, workflow: str, case: dict[str, Any]) -> Played:
    """Play the whole case directly against `decide`."""
    surround(life, case)
    refused = []
    for line in case["events"]:
        life.travel_to(NOON + at(line["at"]))
        if why := life.refusal(as_event(workflow, line, "S-1")):
            refused.append(why)
    if "until" in case:
        life.travel_to(NOON + at(case["until"]))
    return Played(life.view(), refused, life.mails)


async def play(world: World, workflow: str, case: dict[str, Any]) -> Played:
    """Play the whole case on the service."""
    refused = []
    world.receipts = frozenset(case.get("receipts", ()))
    for line in case["events"]:
        await world.travel_to(NOON + at(line["at"]))
        (verdict,) = await world.take(as_event(workflow, line, "S-1"))
        if verdict.outcome == "rejected":
            refused.append(verdict.reason)
        await world.quiet()
    if "until" in case:
        await world.travel_to(NOON + at(case["until"]))
    mails = [(m.to, m.part("plain")) for m in world.mailbox.mails]
    return Played(await world.view("S-1", workflow), refused, mails)


def check(case: dict[str, Any], played: Played) -> None:
    """Check all expected results of the case."""
    view = played.view
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
    assert len(played.refused) == len(case.get("refused", ()))
    for reason, words in zip(played.refused, case.get("refused", ()), strict=True):
        assert words in reason
    text = "\n".join(text for _, text in played.mails)
    assert all(words in text for words in case.get("mail_has", ()))
    assert not any(words in text for words in case.get("mail_lacks", ()))
    if "mailed_to" in case:
        assert Counter(to for to, _ in played.mails if to in case["mailed_to"]) == case["mailed_to"]


def told(view: dict[str, Any]) -> list[str]:
    """The sent messages: time, notice, audience, channel."""
    return [
        f"{written(m['sent'])} {m['notice']} {m['audience']} {m['channel']}"
        for m in view["messages"]
        if m["state"] in ("sent", "delivered")
    ]


def escalated(view: dict[str, Any]) -> list[str]:
    """The escalations: time, team, reason, present state."""
    return [f"{written(e['opened'])} {e['team']} {e['reason']} {e['state']}" for e in view["escalations"]]
