"""Scenario files: events at times, and what must follow from them, as a table that people can read.

- name: what it shows
  events:
    - {at: 0h, status: pending, recipients: {customer: {...}}}   # the rest of a line is the event's data
  until: 50h
  told: ["0h new_order provider email"]        # when, notice, audience, channel; in order of planning
  escalations: ["24h vendor_ops provider_not_answering resolved"]
  clocks: {provider_answers: breached}
  refused: ["cannot follow"]
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from service.workflows.durations import parse_duration
from tests.support.events import NOON, event
from tests.support.world import World

FOLDER = Path(__file__).parents[1] / "scenarios"
PEOPLE: dict[str, Any] = {
    "customer": {"name": "Asha", "phone": "+919812345678", "whatsapp": "+919812345678", "email": "asha@example.com",
                 "push_tokens": ["token-asha"], "locale": "en", "timezone": "UTC"},
    "reseller": {"name": "Rita", "email": "rita@example.com", "locale": "en"},
    "provider": {"name": "Fibra", "email": "orders@fibra.example", "locale": "en"},
    "partner": {"name": "Pia", "email": "pia@example.com", "locale": "en", "timezone": "UTC"},
    "watchers": [{"name": "W1", "email": "w1@example.com"}, {"name": "W2", "email": "w2@example.com"}],
}  # fmt: skip


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """(workflow, case) of every file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        for case in document["cases"]:
            yield document["workflow"], {**document.get("defaults", {}), **case}


def at(text: str | int) -> timedelta:
    """`3h` and `0` as a timedelta."""
    parsed: timedelta = parse_duration(text if text else "0s")
    return parsed


def written(moment: datetime | timedelta, start: datetime = NOON) -> str:
    """The way times are written in scenario files: the largest unit that is whole."""
    passed = moment - start if isinstance(moment, datetime) else moment
    seconds = round(passed.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def as_event(workflow: str, line: dict[str, Any], order_id: str) -> dict[str, Any]:
    """One line of a scenario as an event; `*_in: 48h` stands for a date so far from the start."""
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


async def play(world: World, workflow: str, case: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The order as it is in the end, and the reasons of refused events."""
    refused = []
    for line in case["events"]:
        await world.travel_to(NOON + at(line["at"]))
        (verdict,) = await world.take(as_event(workflow, line, "S-1"))
        if verdict.outcome == "rejected":
            refused.append(verdict.reason)
        await world.quiet()
    if "until" in case:
        await world.travel_to(NOON + at(case["until"]))
    return await world.view("S-1", workflow), refused


def told(view: dict[str, Any]) -> list[str]:
    """What was sent: when, notice, audience, channel."""
    return [
        f"{written(m['sent'])} {m['notice']} {m['audience']} {m['channel']}"
        for m in view["messages"]
        if m["state"] in ("sent", "delivered")
    ]


def escalated(view: dict[str, Any]) -> list[str]:
    """What was raised: when, team, reason, state now."""
    return [f"{written(e['opened'])} {e['team']} {e['reason']} {e['state']}" for e in view["escalations"]]
