"""Opt-outs: of the person on a channel, whatever our sender; said in the order; asked on every way out."""

from typing import Any
from uuid import UUID

import aiohttp
import pytest
from msgspec import structs
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from service import opt_outs
from service.dispatch.settle import Outcome
from service.domain.notices import Receipt
from service.ledger.messages import suppressions as suppressed
from service.ledger.messages.tables import suppressions
from service.ledger.orders.tables import timeline
from service.unit_of_work import UnitOfWork
from tests.integration.conftest import Caller
from tests.integration.test_dispatch import refuse
from tests.support.events import VENDOR, event
from tests.support.providers import TOKEN, Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database

ASHA = "+919812345678"
OURS = "+15005550006"


async def say(world: World, text: str, person: str = ASHA, to: str = OURS, channel: str = "sms", **more: str) -> int:
    prefix = "whatsapp:" if channel == "whatsapp" else ""
    form = {"From": prefix + person, "To": prefix + to, "Body": text, **more}
    url = "/callbacks/twilio/inbound"
    signed = RequestValidator(TOKEN).compute_signature("https://track.example" + url, form)
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.http + url, data=form, headers={"X-Twilio-Signature": signed}) as answer,
    ):
        return answer.status


async def told(world: World, order_id: str, status: str = "vendor_en_route", **customer: Any) -> None:
    known: dict[str, Any] = {"recipients": {"customer": customer}} if customer else {}
    await world.accept(event(order_id, status, assignee=VENDOR, **known))
    await world.settled()


async def states(world: World, order_id: str, channel: str) -> list[str]:
    found = (await world.view(order_id))["messages"]
    return [m["state"] for m in found if m["channel"] == channel and m["address"]]


async def lines(world: World, kind: str, order_id: str) -> list[dict[str, Any]]:
    return [t for t in (await world.view(order_id))["timeline"] if t["kind"] == kind]


async def test_a_stop_to_any_of_our_numbers_holds_for_all_and_start_to_any_lifts_it(world: World) -> None:
    assert await say(world, "Stop. Thank you", to="+15005550999") == 200
    await told(world, "O-1", phone="98123 45678")
    assert await states(world, "O-1", "sms") == ["suppressed"]
    assert await say(world, "STOP", to=OURS) == 200
    assert await say(world, "start", to="+15005550111") == 200
    await told(world, "O-1", "at_location")
    assert await states(world, "O-1", "sms") == ["suppressed", "sent"]


async def test_the_form_field_decides_before_the_words(world: World) -> None:
    await say(world, "no more of this", OptOutType="STOP")
    await say(world, "stop", person="+919812345679", OptOutType="HELP")
    await told(world, "O-1", phone=ASHA)
    await told(world, "O-2", phone="+919812345679")
    assert (await states(world, "O-1", "sms"), await states(world, "O-2", "sms")) == (["suppressed"], ["sent"])


async def test_both_forms_of_a_number_are_one_person(world: World) -> None:
    await say(world, "STOP", person="+5215512345678", channel="whatsapp")
    for n, number in enumerate(("+525512345678", "+52 1 55 1234 5678", "00525512345678")):
        await told(world, f"O-{n}", whatsapp=number)
        assert await states(world, f"O-{n}", "whatsapp") == ["suppressed"]


async def test_what_an_earlier_release_kept_still_holds(world: World) -> None:
    """It asked by sender, and kept the digest of the number as Twilio wrote it."""
    digest = world.ledger.keyring.digest("address", "+5215512345678")
    async with world.ledger.transaction() as tx:
        old = {
            "channel": "whatsapp",
            "digest": digest,
            "sender": "+15005550001",
            "at": world.clock.now(),
            "why": "said STOP",
        }
        await tx.execute(suppressions.insert().values(**old))
    await told(world, "O-1", whatsapp="+525512345678")
    assert await states(world, "O-1", "whatsapp") == ["suppressed"]
    await say(world, "START", person="+5215512345678", channel="whatsapp")
    await told(world, "O-1", "at_location")
    assert await states(world, "O-1", "whatsapp") == ["suppressed", "sent"]


async def test_cancel_is_an_opt_out_by_sms_that_the_order_says_and_cx_sees(world: World, caller: Caller) -> None:
    await told(world, "O-1", phone=ASHA, whatsapp=ASHA, name="Asha")
    await told(world, "O-2", "completed", phone=ASHA)
    await say(world, "Cancel")
    (line,) = await lines(world, "opted_out", "O-1")
    assert (line["channel"], line["audience"]) == ("sms", "customer")
    assert await lines(world, "opted_out", "O-2") == [], "it has ended"
    agent = await caller("agent")
    _, view = await agent.get("/v1/orders/device_pickup/O-1")
    assert [(p["audience"], p["opted_out"]) for p in view["people"]] == [("customer", ["sms"])]
    status, page = await agent.get("/desk/orders/device_pickup/O-1")
    assert status == 200
    assert "opted out of SMS" in str(page)
    await say(world, "cancel", channel="whatsapp")
    await told(world, "O-1", "at_location")
    assert (await states(world, "O-1", "whatsapp"))[-1] == "sent", "there it is a reply"
    await say(world, "STOP")
    assert len(await lines(world, "opted_out", "O-1")) == 1, "nothing new"
    await say(world, "START")
    assert len(await lines(world, "opted_in", "O-1")) == 1


@pytest.mark.parametrize("learned_by", ["answer", "receipt"])
async def test_21610_teaches_the_opt_out_and_every_open_order_says_so(world: World, learned_by: str) -> None:
    await told(world, "O-2", "created", phone=ASHA)
    world.providers.behave = refuse(21610) if learned_by == "answer" else None
    await told(world, "O-1", phone=ASHA)
    if learned_by == "receipt":
        (message,) = [m for m in (await world.view("O-1"))["messages"] if m["channel"] == "sms"]
        order_id = UUID(int=UUID(message["id"]).int >> 16 << 16)
        receipt = Receipt("undelivered", "SM1", "21610")
        await world.app.settler.write([Outcome(UUID(message["id"]), order_id, receipt)])
    world.providers.behave = None
    for order_id_ in ("O-1", "O-2"):
        (line,) = await lines(world, "opted_out", order_id_)
        assert "21610" in line["why"]
        await told(world, order_id_, "at_location")
        assert (await states(world, order_id_, "sms"))[-1] == "suppressed"


async def test_a_fallback_asks_for_wishes(world: World) -> None:
    async def no_whatsapp(sent: Sent) -> Any:
        return await refuse(63003)(sent) if sent.channel == "whatsapp" else None

    world.providers.behave = no_whatsapp
    await told(world, "O-1", phone=ASHA, whatsapp=ASHA, channels=["whatsapp"])
    assert await states(world, "O-1", "whatsapp") == ["failed"]
    assert "sent" not in await states(world, "O-1", "sms")
    assert world.providers.of("sms") == []


async def test_search_and_erasure_find_by_any_spelling(world: World, caller: Caller) -> None:
    await told(world, "O-1", phone="+91 98123-45678", email="Asha@Bücher.example")
    await told(world, "O-2", phone="+5215512345678")
    admin = await caller("admin")
    for asked in ("%2B919812345678", "98123+45678", "00919812345678", "%2B91-98123-45678", "asha%40b%C3%BCcher.example",
                  "asha%40xn--bcher-kva.example", "9812345678&country=IN"):  # fmt: skip
        status, page = await admin.get(f"/v1/orders?recipient={asked}")
        assert status == 200, (asked, page)
        assert [o["order_id"] for o in page["orders"]] == ["O-1"], asked
    _, page = await admin.get("/v1/orders?recipient=%2B525512345678")
    assert [o["order_id"] for o in page["orders"]] == ["O-2"]
    status, problem = await admin.call("DELETE", "/v1/people/98123%2045678")
    assert status == 422
    assert "country" in problem["detail"]
    assert (await admin.call("DELETE", "/v1/people/nonsense"))[0] == 422
    status, erased = await admin.call("DELETE", "/v1/people/98123%2045678?country=IN")
    assert (status, erased["orders"]) == (200, 1)
    assert "98123" not in str(await world.view("O-1"))
    status, erased = await admin.call("DELETE", "/v1/people/%2B52%2055%201234%205678")
    assert (status, erased["orders"]) == (200, 1)
    assert "5512345678" not in str(await world.view("O-2"))


async def test_a_wish_and_its_lines_are_one_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends between the two would leave an order in which nobody sees why nothing goes out."""
    await told(world, "O-1", phone=ASHA)

    async def broken(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "write", broken)
        with pytest.raises(ConnectionResetError):
            await opt_outs.stop(world.app.orders, "sms", ASHA, [OURS], "they wrote so")
    assert not await lines(world, "opted_out", "O-1")
    await told(world, "O-1", "at_location")
    assert await states(world, "O-1", "sms") == ["sent", "sent"]
    assert await say(world, "STOP") == 200
    assert len(await lines(world, "opted_out", "O-1")) == 1


async def test_all_open_orders_say_so_or_none_however_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner's orders of a week: a process that ends half-way leaves no wish that only some of them say."""
    many = [event(f"O-{n}", "assigned", assignee=VENDOR) for n in range(2 * opt_outs.AT_ONCE + 5)]
    assert {v.outcome for v in await world.take(*many)} == {"accepted"}
    decide, calls = UnitOfWork.decide, iter(range(len(many)))

    def breaks_half_way(*arguments: Any) -> Any:
        if next(calls) > opt_outs.AT_ONCE:
            raise ConnectionResetError
        return decide(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "decide", breaks_half_way)
        with pytest.raises(ConnectionResetError):
            await opt_outs.stop(world.app.orders, "sms", VENDOR["phone"], [OURS], "they wrote so")

    async def saying() -> int:
        async with world.ledger.reading() as tx:
            query = select(func.count()).select_from(timeline).where(timeline.c.kind == "opted_out")
            return int((await tx.execute(query)).scalar_one())

    assert await saying() == 0
    async with world.ledger.reading() as tx:
        assert not await suppressed.suppressed(tx, [VENDOR["phone"]])
    assert await say(world, "STOP", person=VENDOR["phone"]) == 200
    assert await saying() == len(many)


async def test_suppressions_are_found_and_lifted_by_any_spelling(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    await say(world, "STOP")
    for spelling in (ASHA, " 91 98123 45678", "00919812345678", "98123 45678&country=in", "०९८१२३४५६७८&country=IN"):
        status, found = await agent.get(f"/v1/suppressions?recipient={spelling}")
        assert (status, [s["channel"] for s in found["suppressions"]]) == (200, ["sms"]), spelling
    status, answer = await agent.call("DELETE", "/v1/suppressions?channel=sms&recipient=98123 45678&country=GB")
    assert (status, answer["count"]) == (200, 0)
    status, answer = await agent.call("DELETE", "/v1/suppressions?channel=sms&recipient=098123-45678&country=IN")
    assert (status, answer["count"]) == (200, 1)
    assert (await agent.get(f"/v1/suppressions?recipient={ASHA}"))[1]["suppressions"] == []
    status, refused = await agent.get("/v1/suppressions?recipient=9812345678&country=India")
    assert (status, "ISO 3166" in refused["detail"]) == (400, True)


async def test_senders_that_are_nobody_or_of_other_channels_change_nothing(world: World) -> None:
    assert await say(world, "STOP", person="") == 400
    assert await say(world, "STOP", person="", channel="whatsapp") == 400
    assert await say(world, "STOP", person="rcs:" + ASHA) == 200
    assert await say(world, "STOP", person="messenger:1234567890123") == 200
    await told(world, "O-1", phone=ASHA)
    assert await states(world, "O-1", "sms") == ["sent"]


async def test_a_packs_own_words_end_messages(world: World) -> None:
    pack = world.app.packs.get("repair")
    changed = structs.replace(pack.workflow, opt_out_words=("थांबवा",))
    world.app.packs.replace([world.app.packs.get("device_pickup"), structs.replace(pack, workflow=changed)])
    await say(world, "कृपया थांबवा!")
    await told(world, "O-1", phone=ASHA)
    assert await states(world, "O-1", "sms") == ["suppressed"]


async def test_whoever_only_handles_an_order_is_found_and_their_stop_is_said_there(
    world: World, caller: Caller
) -> None:
    await world.accept(event("O-1", "vendor_en_route", assignee={**VENDOR, "phone": "98000 00000"}))
    agent = await caller("agent")
    for asked in ("q=98000-00000", "q=%2B919800000000"):
        assert [o["order_id"] for o in (await agent.get(f"/v1/orders?{asked}"))[1]["orders"]] == ["O-1"]
    assert (await agent.get("/v1/orders?recipient=%2B919800000000"))[1]["orders"] == []
    await say(world, "STOP", person=VENDOR["phone"])
    (line,) = await lines(world, "opted_out", "O-1")
    assert line["audience"] == "vendor"
