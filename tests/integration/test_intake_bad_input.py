"""Bad input of every kind: no crash, no stall; each refused with a reason; the good events between them all told."""

import json
import random
from typing import Any

import aio_pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.intake.decoding import Incoming, read
from tests.support.events import encoded, event, minutes, person
from tests.support.examples import examples
from tests.support.world import World

GOOD = event("F-1", "created", recipients={"customer": person(1)})
JUNK: list[Any] = [
    None, True, 0, -1, 1e308, "", "x" * 70_000, [], {}, [[]], {"a": {}}, "2026-13-45", "\u202e\u0000", "🙂" * 300, 10**40,
    "created\r\nX: y", "{{ 7*7 }}", "../../etc/passwd", ["created"], "ORD'); DROP TABLE orders;--",
]  # fmt: skip


def mutated(dice: random.Random) -> bytes:
    """A good event with something wrong in it, or its bytes damaged."""
    document = json.loads(encoded(GOOD))
    document["id"] = f"bad-{dice.getrandbits(60)}"
    kind = dice.randrange(6)
    if kind <= 2:
        target = document if dice.random() < 0.5 else document["data"]
        target[dice.choice([*target, "extra"])] = dice.choice(JUNK)
    elif kind == 3:
        del document[dice.choice(list(document))]
    raw = bytearray(json.dumps(document).encode())
    if kind == 4:
        for _ in range(dice.randrange(1, 9)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
    elif kind == 5:
        return dice.choice([b"", b"\xff\xfe\x00", b"[" * 3000, b"null", b'"x"', bytes(raw[: dice.randrange(len(raw))])])
    return bytes(raw)


def test_ten_thousand_damaged_events_are_read_or_refused() -> None:
    dice = random.Random(5)
    refused = 0
    for _ in range(10_000):
        content_type = dice.choice(["application/cloudevents+json", "application/json", "text/plain", None, "\x00"])
        try:
            read(
                Incoming(
                    mutated(dice),
                    content_type,
                    headers={"cloudEvents:specversion": dice.choice(["1.0", 7])} if dice.random() < 0.1 else {},
                ),
            )
        except Rejection as rejection:
            refused += 1
            assert rejection.reason
    assert refused > 5_000


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=examples(1500), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from([*GOOD, "data_base64", "extra"]), values, max_size=9), st.booleans())
def test_generated_envelopes_are_decoded_or_refused_in_words(changes: dict[str, Any], over_good: bool) -> None:
    document = {**GOOD, **changes} if over_good else changes
    try:
        decode(json.dumps(document, default=str).encode())
    except Rejection as rejection:
        assert len(rejection.reason) < 2_000


@settings(max_examples=examples(1500), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(Rejection):
        decode(body)


@pytest.mark.uninterrupted
async def test_good_events_between_the_bad_are_all_told(world: World) -> None:
    dice = random.Random(6)
    rejected = 0
    names = [
        "Asha",
        "علي",
        "👩‍🚀 Zoë",
        "a\r\nBcc: x@y.z",
        "{{ 12345*54321 }}",
        "<script>alert(1)</script>",
        "\u202ereversed",
        "x" * 500,
    ]
    for n, name in enumerate(names):
        good = event(f"G-{n}", "created", recipients={"customer": person(n, name=name)})
        batch = [Incoming(mutated(dice), "application/cloudevents+json") for _ in range(25)]
        batch.insert(dice.randrange(25), Incoming(encoded(good), "application/cloudevents+json"))
        verdicts = await world.app.intake.take(batch, dead_letter=True)
        rejected += sum(v.outcome == "rejected" for v in verdicts)
    await world.settled()
    assert len([m for m in world.mailbox.mails if m.to.startswith("c")]) >= len(names)
    assert await world.app.broker.depth("stagebell.dead") == rejected
    html = "".join(m.part("html") for m in world.mailbox.mails)
    assert "<script>" not in html
    assert "670592745" not in "".join(m.part("plain") for m in world.mailbox.mails)


async def test_wrong_amqp_messages_are_dead_lettered_with_their_reason(
    world: World, request: pytest.FixtureRequest
) -> None:
    if not world.settings.broker_url.startswith("amqp"):
        for body in (b"\x00", b"{}", b"x" * 300_000):
            await world.app.intake.take([Incoming(body, "text/x")], dead_letter=True)
        await world.settled()
        assert await world.app.broker.depth("stagebell.dead") == 3
        return
    connection = await aio_pika.connect(world.settings.broker_url)
    async with connection:
        channel = await connection.channel()
        orders = await channel.get_exchange("orders")
        bad = [
            aio_pika.Message(b"\x00\xff", content_type="application/octet-stream"),
            aio_pika.Message(b"{}", content_type="application/cloudevents+json", content_encoding="gzip"),
            aio_pika.Message(b"x" * 300_000, content_type="application/json"),
            aio_pika.Message(encoded(event("R-1", "crated")), content_type="application/cloudevents+json"),
            aio_pika.Message(b"{}", headers={"cloudEvents:specversion": "1.0", "cloudEvents:type": 7}),
        ]
        for message in bad:
            await orders.publish(message, "order.x")
        await orders.publish(
            aio_pika.Message(encoded(event("R-2", "created", minutes(0), recipients={"customer": person(7)}))),
            "order.y",
        )
        await world.until(lambda: world.providers.of("sms"), "the good one")
        await world.settled()
        dead = await channel.get_queue("stagebell.dead")
        reasons = []
        for _ in bad:
            letter = await dead.get(timeout=5, fail=True)
            assert letter is not None
            reasons.append(str(letter.headers["x-stagebell-reason"]))
            await letter.ack()
    assert "did you mean 'created'" in " ".join(reasons)
    assert all(len(r) > 15 for r in reasons)
