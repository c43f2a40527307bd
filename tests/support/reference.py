"""A naive model of the device pickup lifecycle, written independently of the service: the expected notices.

Deliberately simple: tables and one loop, without any of the service's code.
"""

import random
from datetime import datetime, timedelta
from typing import Any

from tests.support.events import event, person

PATH = [
    "created", "pending_vendor_assignment", "assigned", "vendor_accepted", "vendor_en_route", "at_location",
    "inspection_started", "inspection_completed", "payment_initiated", "payment_successful", "completed",
]  # fmt: skip
FAILURES = ["customer_rejected", "vendor_failed", "unable_to_reach"]
TELLS = {
    "created": ("order_created", "swpe"),
    "assigned": ("vendor_assigned", "swp"),
    "vendor_en_route": ("vendor_en_route", "swp"),
    "at_location": ("vendor_arrived", "swp"),
    "inspection_completed": ("final_price_ready", "swpe"),
    "payment_initiated": ("payment_otp_sent", "swp"),
    "payment_successful": ("payment_completed", "swpe"),
    **dict.fromkeys(FAILURES, ("order_failed", "swpe")),
}
CHANNELS = {"s": "sms", "w": "whatsapp", "p": "push", "e": "email"}


def orders(count: int, seed: int, start: datetime, step: timedelta) -> list[list[dict[str, Any]]]:
    """The events of `count` orders, each with a random life."""
    dice = random.Random(seed)
    return [_life(f"ORD-{seed}-{n}", n, dice, start, step) for n in range(count)]


def _life(order_id: str, n: int, dice: random.Random, start: datetime, step: timedelta) -> list[dict[str, Any]]:
    statuses = [PATH[0]] + [s for s in PATH[1:] if dice.random() < 0.85 or s == "payment_initiated"]
    if dice.random() < 0.3:
        cut = dice.randrange(1, len(statuses))
        statuses = [*statuses[:cut], dice.choice(FAILURES)]
    if "vendor_accepted" in statuses and dice.random() < 0.25:
        at = statuses.index("vendor_accepted") + 1
        statuses[at:at] = ["assigned"]
    events, vendor = [], 0
    for i, status in enumerate(statuses):
        data: dict[str, Any] = {}
        if i == 0:
            data["recipients"] = {"customer": person(n)}
        if status == "assigned":
            vendor += 1
            data["assignee"] = {"role": "vendor", "id": f"v-{n}-{vendor}", "name": f"V{vendor}"}
        if status == "payment_initiated":
            data["secrets"] = {"otp": {"value": f"{100000 + n}", "expires": (start + timedelta(hours=2)).isoformat()}}
        events.append(event(order_id, status, start + i * step, **data))
    return events


def expected(published: list[dict[str, Any]]) -> tuple[dict[str, list[str]], int]:
    """The expected notices by channel, in sequence, and the number of rejected events."""
    told: dict[str, list[str]] = {c: [] for c in CHANNELS.values()}
    seen: set[str] = set()
    status: str | None = None
    newest, vendor, refused = "", None, 0
    reachable = False
    for e in published:
        if e["id"] in seen:
            continue
        new = e["data"]["status"]
        if status is not None and e["time"] < newest:
            seen.add(e["id"])
            reachable = reachable or "recipients" in e["data"]
            if vendor is None:
                vendor = e["data"].get("assignee", {}).get("id")
            continue
        if status is not None and not _may_follow(status, new):
            refused += 1
            continue
        seen.add(e["id"])
        newest = e["time"]
        reachable = reachable or "recipients" in e["data"]
        notice = TELLS.get(new) if new != status else None
        came = e["data"].get("assignee", {}).get("id")
        if came and vendor and came != vendor:
            notice = ("vendor_reassigned", "swp")
        vendor = came or vendor
        status = new
        if notice and reachable:
            for letter in notice[1]:
                told[CHANNELS[letter]].append(notice[0])
    return told, refused


def _may_follow(status: str, new: str) -> bool:
    if status in FAILURES or status == "completed":
        return new == status
    if new == status or new in FAILURES:
        return True
    i, j = PATH.index(status), PATH.index(new)
    return j > i or new in ("pending_vendor_assignment", "assigned")
