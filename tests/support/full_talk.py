"""What else stands in a full day: orders of every pack, hundreds of conversations, files with notes, a list of thousands of rows."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from service import conversations
from service.app import App
from service.conversations import IncomingReply
from service.intake.decoding import Incoming
from tests.support.events import encoded, event, person

LONG_WORDS: Final = (
    "I have been waiting since this morning, the guard did not let your partner in, and nobody picks up the number that you gave me. "
    "Please tell me whether somebody comes today, as I leave for the airport at six and the phone has to be gone by then."
)
SAID: Final = (
    "Where is he?", "is it safe to wait?", "Please come after 5 pm", LONG_WORDS, "मैं घर पर नहीं हूँ, कृपया कल आइए", "ok",
    "https://maps.example.com/?q=28.61,77.20", "Gate 3, not gate 1", "The price is not what you told me", "👍",
)  # fmt: skip
OTHERS: Final = {
    "repair": ("new", "in_progress", "awaiting_parts", "ready_for_return"),
    "home_service": ("submitted_to_provider", "accepted", "in_progress"),
    "parcel": ("announced", "in_transit", "out_for_delivery", "held_at_counter"),
    "appointment": ("requested", "confirmed", "checked_in"),
    "marketing_services": ("approved", "in_progress", "waiting_for_partner"),
}
ROWS_AT_ONCE: Final = 500


def of_other_packs(now: datetime, each: int) -> Iterator[dict[str, Any]]:
    """So many orders of each pack, each as far as it got."""
    for workflow, path in OTHERS.items():
        for n in range(each):
            began = now - timedelta(minutes=30 * n + 20)
            people = {
                "customer": person(50_000 + n),
                "partner": person(60_000 + n),
                "provider": person(70_000 + n % 7, id=f"p-{n % 7}"),
            }
            for i, status in enumerate(path[: 1 + n % len(path)]):
                more: dict[str, Any] = {"recipients": people} if i == 0 else {}
                yield event(
                    f"{workflow[:2].upper()}-{n}", status, began + timedelta(minutes=5 * i), workflow=workflow, **more
                )


def rows_of_list(now: datetime, order_id: str, count: int) -> Iterator[dict[str, Any]]:
    """So many leads, some hundred an event."""
    for first in range(0, count, ROWS_AT_ONCE):
        rows = [
            {"name": f"Zoé Nilsson-Álvarez {n}", "email": f"zoe.{n}@a-rather-long-company-name.example.com", "phone": f"+336{n:08d}",
             "company": "Société Générale des Eaux et Forêts" if n % 9 == 0 else "Acme", "budget": {"amount": f"{n}.50", "currency": "EUR"},
             "interest": ("low", "medium", "high")[n % 3], "notes": LONG_WORDS if n % 20 == 0 else ""}
            for n in range(first, min(first + ROWS_AT_ONCE, count))
        ]  # fmt: skip
        yield event(order_id, "approved", now, workflow="marketing_services", lists={"leads": {"rows": rows}})


async def talk(app: App, people: int, *, first: int) -> None:
    """Customers of the orders from `first` on write, some of them several times and by several channels."""
    dice = random.Random(3)
    for n in range(first, first + people):
        for i in range(dice.randint(1, 4)):
            channel = dice.choice(("sms", "whatsapp"))
            said = IncomingReply(f"said-{n}-{i}", channel, f"+9198{n:08d}", dice.choice(SAID))
            await conversations.take(app.orders, said)
    await conversations.take(
        app.orders, IncomingReply("stranger", "sms", "+919999999999", "Who is this? " + LONG_WORDS)
    )


async def fill_rest(app: App, people: int, rows: int, each: int, *, first: int) -> None:
    """All of it."""
    now = app.time.now()
    for part in (list(of_other_packs(now, each)), list(rows_of_list(now, "MA-0", rows))):
        for start in range(0, len(part), 50):
            await app.intake.take([Incoming(encoded(e)) for e in part[start : start + 50]], dead_letter=True)
    await talk(app, people, first=first)
