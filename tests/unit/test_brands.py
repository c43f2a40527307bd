"""Brands of a pack: what check says of them, and what they change of an order's life."""

import shutil
from pathlib import Path

import pytest

from service.channels.email import mailbox
from service.channels.twilio.senders import sms_sender, whatsapp_sender
from service.domain.event_decoding import decode
from service.domain.unheeded_people import unheeded
from service.foresight.differing import differences
from service.workflows import packs
from service.workflows.build_brands import ink_on
from service.workflows.pack_bundles import bundle, unbundle
from service.workflows.packs import Pack
from tests.support.events import NOON, encoded, event
from tests.support.life import Life
from tests.support.world import ROOT

BAKERY = ROOT / "tests/data/packs/bakery"
CUSTOMER = {
    "name": "Asha",
    "phone": "+447400123456",
    "whatsapp": "+447400123456",
    "email": "asha@example.com",
    "locale": "en-GB",
}


def written(folder: Path) -> Path:
    """The bakery's pack and the usual layouts, to be changed."""
    shutil.copytree(BAKERY, folder / "bakery")
    shutil.copytree(ROOT / "templates/_layouts", folder / "_layouts")
    return folder


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return packs.load(written(tmp_path_factory.mktemp("bakery"))).get("bakery")


def told(life: Life, notice: str) -> list[tuple[str, str]]:
    """Channel and words of what a notice told."""
    return [
        (m.channel, life.text_of(m)) for m in life.messages.values() if m.notice == notice and m.state != "suppressed"
    ]


def ordered(pack: Pack, *statuses: str, **data: object) -> Life:
    life = Life(pack)
    for n, status in enumerate(("created", *statuses)):
        more = {"recipients": {"customer": CUSTOMER}, **data} if n == 0 else {}
        life.take(event("B-1", status, workflow="bakery", **more))  # type: ignore[arg-type]
    return life


def test_a_brand_has_its_name_its_words_and_its_channels(bakery: Pack) -> None:
    usual = ordered(bakery, "baked", "ready")
    cedar = ordered(bakery, "baked", "ready", brand="cedar")
    birch = ordered(bakery, "baked", "ready", brand="birch")
    assert [c for c, _ in told(usual, "order_created")] == ["sms", "email"]
    assert told(usual, "baked") == []
    assert told(cedar, "order_created")[0] == ("sms", "Cedar Cakes: order B-1 is in. https://track.example/t/1")
    assert [c for c, _ in told(cedar, "baked")] == ["email"]
    # Its own channels come in its order, its own words before the common ones, and of a language that it has none of
    # the common ones.
    assert [c for c, _ in told(birch, "order_created")] == ["email", "sms"]
    assert told(birch, "order_created")[1][1].startswith("Thank you for choosing Birch & Sons! We bake B-1 for you.")
    assert [c for c, _ in told(birch, "baked")] == ["sms"]
    assert [c for c, _ in told(birch, "ready")] == ["whatsapp"], "none of its channels is left"


def test_a_brand_may_come_change_and_go(bakery: Pack) -> None:
    life = ordered(bakery)
    assert life.order is not None
    life.take(event("B-1", kind="order.updated", workflow="bakery", brand="birch"))
    assert life.order.brand == "birch"
    life.take(event("B-1", "baked", workflow="bakery"))
    assert [c for c, _ in told(life, "baked")] == ["sms"]
    life.take(event("B-1", kind="order.updated", workflow="bakery", brand=None))
    assert life.order.brand == ""


def test_a_brand_in_another_language_shares_the_common_words(bakery: Pack) -> None:
    spanish = {"customer": {**CUSTOMER, "locale": "es-ES"}}
    life = ordered(bakery, brand="birch", recipients=spanish)
    assert told(life, "order_created")[1] == ("sms", "Birch & Sons: order B-1 is in. https://track.example/t/1")


def test_an_unknown_brand_is_a_warning_and_the_usual_one_is_used(bakery: Pack) -> None:
    life = ordered(bakery, brand="ceder")
    said = decode(encoded(event("B-1", "created", workflow="bakery", brand="ceder"))).data
    (warning,) = unheeded(said, bakery.workflow, None, NOON)
    assert warning.field == "data.brand"
    assert warning.problem == "bakery has no such brand; did you mean 'cedar'?; the service's own is used"
    assert told(life, "order_created")[0][1].startswith("Stagebell: ")
    assert life.order is not None
    assert life.order.brand == "ceder"


def test_a_brand_has_its_approved_templates_and_address_for_replies(bakery: Pack) -> None:
    w = bakery.workflow
    ready = {brand: w.for_brand(brand).notices["ready"].content["en"].sid[-1] for brand in ("", "cedar", "birch", "?")}
    assert ready == {"": "f", "cedar": "e", "birch": "f", "?": "f"}
    assert [w.for_brand(b).reply_to for b in ("", "cedar", "birch")] == [
        "office@bakery.example",
        "help@cedar.example",
        "office@bakery.example",
    ]
    assert w.for_brand("birch").fallback == {}


def test_what_is_read_on_a_colour_can_be_read() -> None:
    assert [ink_on(c) for c in ("#7c2d12", "#facc15", "#000000", "#ffffff")] == [
        "#ffffff",
        "#000000",
        "#ffffff",
        "#000000",
    ]


@pytest.mark.parametrize("text", ["+14155550100", "12345", "CEDAR", "Cedar Co", "MG0123456789abcdef0123456789abcdef"])
def test_senders_of_sms(text: str) -> None:
    assert sms_sender(f" {text} ") == text


@pytest.mark.parametrize(
    "text", ["", "0415555", "Cedar Cakes Ltd", "12", "+1", "MG01", "whatsapp:+14155550100", "a\nb"]
)
def test_what_can_send_no_sms(text: str) -> None:
    if text == "MG01":
        assert sms_sender(text) == text  # a name like any other
        return
    if text == "0415555":
        assert sms_sender(text) == text  # a short code like any other
        return
    with pytest.raises(ValueError, match="write a number in E"):
        sms_sender(text)


def test_senders_of_whatsapp_and_mail() -> None:
    assert whatsapp_sender("whatsapp:+14155550100") == "+14155550100"
    assert mailbox('"Cedar, Orders" <orders@cedar.example>') == '"Cedar, Orders" <orders@cedar.example>'
    for form, wrong in (
        (whatsapp_sender, "CEDAR"),
        (mailbox, "Cedar, Orders <orders@cedar.example>"),
        (mailbox, "a\r\nBcc: b@c.de"),
    ):
        with pytest.raises(ValueError):
            form(wrong)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (('colour: "#7c2d12"', "colour: brown"), "brands.cedar.look.colour: String should match pattern"),
        (("https://cedar.example/logo.png", "http://cedar.example/logo.png"), "brands.cedar.look.logo: String should match pattern"),
        (('sms: "+15005550010"', "sms: Cedar Cakes Limited"), "cedar: 'Cedar Cakes Limited' is no sender of sms: write a number in E.164"),
        (('sms: "+15005550010"', "webhook: cedar"), "cedar: no sender can be chosen for webhook"),
        (('sms: "+15005550010"', "letter: cedar"), "Input should be an installed channel"),
        (("      baked: {channels: [sms]}", "      bakt: {channels: [sms]}"), "unknown notice 'bakt'; did you mean 'baked'?"),
        (("      baked: {channels: [sms]}", "      baked: {channels: [push]}"), "notice 'baked' has no push template in 'en'"),
        (("cdee, variables", "cdeeX, variables"), "brands.cedar.notices.ready.whatsapp_content.en.sid: String should match pattern"),
        (("    name: Cedar Cakes\n", ""), "brands.cedar.name: Field required"),
        (("  birch:\n", "  beech:\n"), "words for 'birch', which is not one of the pack's brands; known: cedar, beech"),
        (("{path: brand}", "{path: brand, over: 5}"), "brand"),
    ],
)  # fmt: skip
def test_check_looks_at_brands(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    file = written(tmp_path) / "bakery/workflow.yaml"
    text = file.read_text()
    assert text.count(edit[0]) == 1
    file.write_text(text.replace(*edit))
    found = [str(p) for p in packs.inspect(tmp_path)[1]]
    assert any(words in problem for problem in found), found


def test_check_looks_at_a_brands_own_words(tmp_path: Path) -> None:
    file = written(tmp_path) / "bakery/brands/birch/en/order_created.sms.j2"
    file.write_text("Thank you! {{ brnd }}")
    (problem,) = packs.inspect(tmp_path)[1]
    assert (problem.file, problem.line) == (file, 1)
    assert problem.message.startswith("undefined variable 'brnd'")


def test_a_brands_words_are_a_part_of_the_version_and_are_kept(tmp_path: Path) -> None:
    folder = written(tmp_path)
    before = packs.load(folder).get("bakery")
    (folder / "bakery/brands/birch/en/order_created.sms.j2").write_text("Hello from {{ brand }}")
    after = packs.load(folder).get("bakery")
    assert before.workflow.version != after.workflow.version
    kept = unbundle(bundle(after), after.workflow.version)
    assert told(ordered(kept, brand="birch"), "order_created")[1][1] == "Hello from Birch & Sons"


def test_what_changes_of_a_brand_is_said_for_its_readers(tmp_path: Path, bakery: Pack) -> None:
    folder = written(tmp_path)
    file = folder / "bakery/workflow.yaml"
    edits = (("    channels: [email, sms]", "    channels: [sms]"), ("+15005550010", "+15005550019"),
             ("region: GB", "region: GB\nlocale_fallback: {pt: es}"))  # fmt: skip
    for old, new in edits:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    (folder / "bakery/brands/birch/en/order_created.sms.j2").write_text("Hello from {{ brand }}")
    found = {(d.kind, *d.whom): d.says for d in differences(bakery, packs.load(folder).get("bakery")).differences}
    assert found.keys() == {
        ("brand", "readers of cedar"),
        ("brand", "readers of birch"),
        ("text", "readers of birch"),
        ("workflow", "customer"),
    }
    assert found["brand", "readers of birch"] == "birch: order_created goes by sms instead of email, sms"
    assert found["brand", "readers of cedar"].startswith("cedar senders sms is +15005550019 instead of +15005550010")
    assert found["text", "readers of birch"] == "birch: order_created by sms in en has another text"
    assert found["workflow", "customer"] == "which language speaks for another is pt: es instead of nothing"
