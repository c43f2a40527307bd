"""Numbers of sixty countries in the spellings people use, end to end: sent to one form; STOP from any silences all."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat as Form
from sqlalchemy import func, select

from service.ledger.messages.tables import messages
from tests.integration.conftest import Caller
from tests.integration.test_opt_outs import say
from tests.support.events import event
from tests.support.world import World
from tests.unit.test_canonical import COUNTRIES, examples, spelled

pytestmark = pytest.mark.any_database

AT_ONCE = 500
Spelling = tuple[str, str | None]


def numbers_of(each: int) -> list[tuple[str, list[Spelling]]]:
    """Up to `each` numbers of a kind of every country, each in E.164 and in all its spellings, double forms too."""
    found = []
    for example, country in examples():
        for number in itertools.islice(_like(example), each):
            e164 = phonenumbers.format_number(number, Form.E164)
            found.append((e164, [*spelled(number, country), *((form, None) for form in doubles(e164))]))
    return found


def _like(example: phonenumbers.PhoneNumber) -> Iterator[phonenumbers.PhoneNumber]:
    """The example, and its neighbours as far as they are valid numbers."""
    yield example
    assert example.national_number is not None
    for last in range(1, 1000):
        near = phonenumbers.PhoneNumber()
        near.merge_from(example)
        near.national_number = example.national_number // 1000 * 1000 + last
        if near != example and phonenumbers.is_valid_number(near):
            yield near


def doubles(e164: str) -> list[str]:
    """The other form in which the same telephone is called: WhatsApp, carriers and people differ in it.

    Mexico's 1 after the country code, Argentina's 9, Brazil's ninth digit after the area code.
    """
    if e164.startswith("+52") and len(e164) == 13:
        return [f"+521{e164[3:]}"]
    if e164.startswith("+549"):
        return [f"+54{e164[4:]}"]
    if e164.startswith("+55") and len(e164) == 14 and e164[5] == "9":
        return [e164[:5] + e164[6:]]
    return []


async def publish(world: World, caller: Any, told: list[tuple[str, Spelling]]) -> None:
    """An order for each of these (order id, number as somebody wrote it), in batches over HTTP."""
    for begin in range(0, len(told), AT_ONCE):
        batch = []
        for order, (text, country) in told[begin : begin + AT_ONCE]:
            person = {"phone": text, "locale": "en"} | ({"country": country} if country else {})
            batch.append(event(order, "created", recipients={"customer": person}))
        status, answer = await caller.post("/v1/events", batch)
        assert status == 200, answer
        odd = [
            (r, told[begin + n])
            for n, r in enumerate(answer["results"])
            if r["outcome"] != "accepted" or r.get("warnings")
        ]
        assert odd == []
        await world.settled()


async def states(world: World) -> dict[str, int]:
    async with world.ledger.reading() as tx:
        query = select(messages.c.state, func.count()).where(messages.c.channel == "sms")
        return dict((await tx.execute(query.group_by(messages.c.state))).tuples().all())


@pytest.mark.uninterrupted
@pytest.mark.parametrize(("each", "every"), [(1, 6), pytest.param(17, 1, marks=pytest.mark.long)], ids=["some", "all"])
async def test_a_stop_from_any_spelling_silences_all(world: World, caller: Caller, each: int, every: int) -> None:
    numbers = [x for n, x in enumerate(numbers_of(each)) if n % every % 4 == 0 or doubles(x[0])]
    assert len(COUNTRIES) >= 60
    assert every > 1 or len(numbers) >= 2000
    publisher = await caller("publisher")
    # Each once, in one spelling or another: all leave in E.164.
    before = [(f"B-{n}", texts[n % 22]) for n, (_, texts) in enumerate(numbers)]
    await publish(world, publisher, before)
    assert await states(world) == {"sent": len(numbers)}
    assert Counter(s.to for s in world.providers.of("sms")) == Counter(e164 for e164, _ in numbers)
    # Twilio names no country: STOP comes in whatever names its own, and in the double forms.
    for n, (e164, texts) in enumerate(numbers):
        named = [text for text, country in texts if country is None and ":" not in text]
        assert await say(world, "STOP", person=[*doubles(e164), *named][n % 11]) == 200
    after = [
        (f"A-{n}-{k}", text)
        for n, (_, texts) in enumerate(numbers)
        for k, text in enumerate(texts)
        if (n + k) % every == 0 or k >= 22
    ]
    await publish(world, publisher, after)
    assert await states(world) == {"sent": len(numbers), "suppressed": len(after)}
    assert len(world.providers.of("sms")) == len(numbers)
