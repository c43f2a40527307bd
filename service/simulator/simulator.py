"""Generates events of simulated orders: each follows a scenario of its pack; some come twice or out of order."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from service.broker.port import ORDERS, BrokerMessage
from service.channels import registry
from service.domain.json_object import JsonObject
from service.domain.workflow import Workflow
from service.workflows.durations import parse_duration

STARTED_EVERY = timedelta(seconds=45)
LATEST_STEP = timedelta(seconds=20)
# Generated addresses are numbered: customers from 0, assignees from here.
ASSIGNEES_FROM = 1_000_000


class Played(msgspec.Struct, frozen=True):
    """An event and when it is published (UTC)."""

    at: datetime
    message: BrokerMessage


class Invented(msgspec.Struct, frozen=True):
    """An event of a simulated publisher: when it is `published`, and its own time (UTC)."""

    published: datetime
    id: str
    type: str
    order_id: str
    time: datetime
    data: JsonObject

    def message(self) -> BrokerMessage:
        """The event as a message for the broker."""
        event = {
            "specversion": "1.0",
            "id": self.id,
            "source": "/simulator",
            "type": self.type,
            "subject": self.order_id,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": self.data,
        }
        return BrokerMessage(ORDERS, self.type, msgspec.json.encode(event), self.id, "application/cloudevents+json")


class Simulator:
    """Deterministic: the same seed generates the same orders."""

    def __init__(self, workflow: Workflow, seed: int = 7) -> None:
        self._workflow = workflow
        self._random = random.Random(seed)  # noqa: S311 - a demo's dice
        self._demo: Mapping[str, Any] = workflow.demo

    def play(self, count: int, start: datetime) -> list[Played]:
        """The events of `count` orders, in the order in which they are published."""
        played = [
            Played(e.published, e.message())
            for number in range(count)
            for e in self.order(number, start + number * STARTED_EVERY)
        ]
        return sorted(played, key=lambda p: p.at)

    def order(self, number: int, start: datetime) -> Iterator[Invented]:
        """The events of one order that begins then, and of its parts; they may be published out of order.

        Of each order the oldest first.
        """
        scenarios = self._demo["scenarios"]
        # One of each scenario first, so that a short demo shows everything.
        if number < len(scenarios):
            scenario = scenarios[number]
        else:
            scenario = self._random.choices(scenarios, [float(s.get("weight", 1)) for s in scenarios])[0]
        order_id = f"ORD-{1001 + number}"
        people = dict(self._demo.get("people", {}))
        if self._demo.get("customers"):
            people["customer"] = self._customer(number)
        yield from self._steps(scenario["steps"], order_id, start, {"recipients": people})
        for n, part in enumerate(scenario.get("parts", ()), start=1):
            parent = {"workflow": self._workflow.name, "order_id": order_id}
            begins = {"recipients": people, "parent": parent, "workflow": part.get("workflow", self._workflow.name)}
            after = parse_duration(part.get("after", "0s"))
            yield from self._steps(part["steps"], f"{order_id}-P{n}", start + after, begins)

    def _steps(
        self, steps: Sequence[Mapping[str, Any]], order_id: str, at: datetime, begins: JsonObject
    ) -> Iterator[Invented]:
        """The events of one order; `begins`: additional data of its first one."""
        price = self._price() if "price" in self._demo else {}
        workflow = begins.get("workflow", self._workflow.name)
        for i, step in enumerate(steps):
            at += parse_duration(step.get("after", "0s")) + LATEST_STEP * self._random.random()
            data: JsonObject = {"workflow": workflow}
            if i == 0:
                data |= begins
            data |= self._step_data(step, at, price)
            published = at + parse_duration(step.get("delayed", "0s"))
            invented = Invented(published, f"{order_id}-{i}", _type(step), order_id, at, data)
            yield invented
            if step.get("twice"):
                yield msgspec.structs.replace(invented, published=published + timedelta(seconds=5))

    def _step_data(self, step: Mapping[str, Any], at: datetime, price: dict[str, str]) -> JsonObject:
        data: JsonObject = {}
        if "status" in step:
            data["status"] = step["status"]
        if "issue" in step:
            data["issue"] = {"reason": step["issue"], "detail": "reported in the demo"}
        if "note" in step:
            data["note"] = {"text": step["note"]["text"], "public": step["note"].get("public", False)}
        if "attributes" in step:
            data["attributes"] = step["attributes"]
        if "brand" in step:
            data["brand"] = step["brand"]
        if "appointment" in step:
            begins = at + parse_duration(step["appointment"]["after"])
            data["appointment"] = {"start": begins, "end": begins + parse_duration(step["appointment"]["lasts"])}
        if step.get("assignee") == "new":
            data["assignee"] = self._assignee()
        if "eta" in step:
            data["eta"] = at + parse_duration(step["eta"])
        if step.get("price"):
            data["price"] = price
        if step.get("paid"):
            data["payment"] = {"verified": True}
        for name in step.get("secrets", ()):
            code = f"{self._random.randrange(10**6):06d}"
            data.setdefault("secrets", {})[name] = {"value": code, "expires": at + timedelta(minutes=10)}
        return data

    def _customer(self, number: int) -> JsonObject:
        name = self._demo["customers"][number % len(self._demo["customers"])]
        phone = f"+9198{self._random.randrange(10**8):08d}"
        return {
            "name": name,
            "phone": phone,
            "whatsapp": phone,
            "email": f"{name.lower()}{number}@example.com",
            "push_tokens": [f"demo-{UUID(int=self._random.getrandbits(128)).hex}"],
            "locale": self._random.choice(self._demo["locales"]),
            "timezone": self._demo["timezone"],
            **_own_addresses(number),
        }

    def _assignee(self) -> JsonObject:
        names = self._demo["assignees"]
        index = self._random.randrange(len(names))
        # Two people may have the same name, so the id has a number of its own.
        return {
            "role": self._demo["role"],
            "id": f"v-{index}-{self._random.randrange(1000)}",
            "name": names[index],
            "phone": f"+9180{self._random.randrange(10**8):08d}",
            **_own_addresses(ASSIGNEES_FROM + index),
        }

    def _price(self) -> dict[str, str]:
        span = self._demo["price"]
        amount = self._random.randrange(int(span["from"]), int(span["to"]), 50)
        return {"amount": f"{amount}.00", "currency": str(span["currency"])}


def _own_addresses(number: int) -> JsonObject:
    """Sample addresses on channels that have no field of a person."""
    found = {c.name: c.example(number) for c in registry.channels().values() if not c.address}
    return {"addresses": found} if found else {}


def _type(step: Mapping[str, Any]) -> str:
    if "issue" in step:
        return "order.issue_reported"
    if "status" in step:
        return "order.status_changed"
    return "order.note_added" if "note" in step else "order.updated"
