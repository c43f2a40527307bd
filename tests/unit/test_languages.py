"""Languages, countries and scripts: which words a reader gets, how values stand in them, and which way they run."""

import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from service.channels.registry import medium_of
from service.channels.sms.segments import measure
from service.domain.languages import UNRELATED, Kinship, chain, pick_locale, region_of
from service.workflows import bidi, cldr, packs
from service.workflows.packs import Pack
from service.workflows.template_remarks import remarks
from service.workflows.templates import PackTemplates
from tests.support.events import event
from tests.support.life import Life
from tests.support.packs import ERRAND, errand
from tests.support.world import ROOT

PACKS = ROOT / "tests" / "data" / "packs"
WORLD = ("en", "es-419", "pt-BR", "zh-Hant", "sr-Latn", "he", "nb")


@pytest.fixture(scope="module")
def regional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Arabic and the Polish pack, with the layouts that all packs share."""
    folder = tmp_path_factory.mktemp("regional") / "packs"
    shutil.copytree(PACKS, folder)
    shutil.copytree(ROOT / "templates/_layouts", folder / "_layouts")
    return folder


@pytest.fixture(scope="module")
def tawseel(regional: Path) -> Pack:
    return packs.load(regional).get("tawseel")


@pytest.fixture(scope="module")
def paczka(regional: Path) -> Pack:
    return packs.load(regional).get("paczka")


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("es-MX", "es-419"), ("es_MX.UTF-8", "es-419"), ("es", "es-419"), ("pt-PT", "pt-BR"), ("pt-br", "pt-BR"),
        ("zh-TW", "zh-Hant"), ("zh-Hant-HK", "zh-Hant"), ("zh-Hant-CN-x-private1", "zh-Hant"), ("sr-ME", "sr-Latn"),
        ("sr-Latn-RS", "sr-Latn"), ("iw-IL", "he"), ("nn", "nb"), ("no", "nb"), ("en-IN", "en"), ("fr-CA", "en"),
        ("de-u-nu-latn", "en"), ("", "en"), (None, "en"), ("?", "en"), ("a-b-c-d-e-f", "en"),
    ],
)  # fmt: skip
def test_a_reader_gets_the_nearest_language(wanted: str | None, given: str) -> None:
    assert pick_locale(WORLD, wanted, cldr.kinship()) == given


def test_a_pack_says_what_comes_after_a_language() -> None:
    said = Kinship({"pt": ("es", "en"), "ca": ("es",), "es": ("ca",)})
    assert chain("pt-BR", said) == ["pt-BR", "pt", "es", "ca", "en"]
    assert pick_locale(("de", "en", "es"), "pt-BR", said) == "es"
    assert pick_locale(("de", "en"), "pt-BR", said) == "en"
    assert pick_locale(("de", "en"), "pt-BR", UNRELATED) == "de"
    assert pick_locale(("de", "en"), "pt-BR", Kinship({"pt-br": ("fr",)})) == "de"


def test_the_country_of_a_language_is_found() -> None:
    tags = ["es-MX", "zh-Hant-TW", "es-419", "en", "sr-Latn", "de-u-rg-chzzzz", "en_gb", None]
    assert [region_of(t) for t in tags] == ["MX", "TW", "419", "", "", "", "GB", ""]


def said(tmp_path: Path, text: str, locale: str, region: str = "", **values: Any) -> str:
    """What a template of that language says, without the marks of typography."""
    folder = tmp_path / "pack" / locale
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "n.whatsapp.j2").write_text(text)
    given = {"locale": locale, "region": region, **values}
    words = PackTemplates(tmp_path / "pack").render(locale, "n", "whatsapp", given).text
    return words.translate({0x202F: " ", 0xA0: " ", 0x200F: None, 0x2068: None, 0x2069: None})


@pytest.mark.parametrize(
    ("locale", "region", "reads"),
    [
        ("es", "", "1.234,50 € · 1.234.567,5 · lun 23 nov, 15:05"),
        ("es", "MX", "EUR1,234.50 · 1,234,567.5 · lun 23 nov, 3:05 p.m."),
        ("de", "CH", "EUR 1’234.50 · 1’234’567.5 · Mo. 23 Nov., 15:05"),
        ("de", "AT", "€ 1.234,50 · 1.234.567,5 · Mo. 23 Nov., 15:05"),
        ("en", "", "€1,234.50 · 1,234,567.5 · Mon 23 Nov, 3:05 PM"),
        ("en", "IN", "€1,234.50 · 12,34,567.5 · Mon 23 Nov, 3:05 pm"),
        ("en", "GB", "€1,234.50 · 1,234,567.5 · Mon 23 Nov, 15:05"),
        ("en", "US", "€1,234.50 · 1,234,567.5 · Mon, Nov 23, 3:05 PM"),
        ("en-GB", "", "€1,234.50 · 1,234,567.5 · Mon 23 Nov, 15:05"),
        ("ja", "", "€1,234.50 · 1,234,567.5 · 11月23日(月) 15:05"),
        ("sr-Latn", "RS", "1.234,50 € · 1.234.567,5 · pon 23 nov 15:05"),
        ("sr", "ME", "1.234,50 € · 1.234.567,5 · пон 23 нов 15:05"),
        ("pl", "", "1 234,50 € · 1 234 567,5 · pon. 23 lis, 15:05"),
        ("ar", "EG", "1,234.50 € · 1,234,567.5 · الاثنين 23 نوفمبر، 3:05 م"),
    ],
)
def test_values_stand_as_the_readers_country_writes_them(tmp_path: Path, locale: str, region: str, reads: str) -> None:
    text = "{{ price | money }} · {{ n | number }} · {{ at | moment }}"
    given = {"price": {"amount": "1234.50", "currency": "EUR"}, "n": Decimal("1234567.5")}
    assert said(tmp_path, text, locale, region, **given, at=datetime(2026, 11, 23, 15, 5, tzinfo=UTC)) == reads


@pytest.mark.parametrize(
    ("locale", "region", "amount", "currency", "reads"),
    [
        ("es", "MX", "1234.50", "MXN", "$1,234.50"),
        ("en", "IN", "1250000", "INR", "₹12,50,000"),
        ("en", "", "1250000.00", "INR", "₹12,50,000"),
        ("hi", "", "12500.50", "INR", "₹12,500.50"),
        ("de", "", "1200", "JPY", "1.200 ¥"),
        ("fr", "CH", "1234.50", "CHF", "1 234,50 CHF"),
        ("de", "CH", "1234.50", "CHF", "CHF 1’234.50"),
    ],
)
def test_money_is_written_as_where_the_reader_lives(
    tmp_path: Path, locale: str, region: str, amount: str, currency: str, reads: str
) -> None:
    assert said(tmp_path, "{{ m | money }}", locale, region, m={"amount": amount, "currency": currency}) == reads


PLURAL = "{{ n | plural(zero='0:#', one='1:#', two='2:#', few='few:#', many='many:#', other='other:#') }}"


@pytest.mark.parametrize(
    ("locale", "forms"),
    [
        ("en", {0: "other:0", 1: "1:1", 2: "other:2", 1500: "other:1,500"}),
        ("pl", {1: "1:1", 2: "few:2", 5: "many:5", 12: "many:12", 22: "few:22", 1.5: "other:1,5"}),
        ("ar", {0: "0:0", 1: "1:1", 2: "2:2", 3: "few:3", 11: "many:11", 100: "other:100"}),
        ("ja", {1: "other:1"}),
        # The form is that of the number as it is written: 1, not 1.0 (UTS 35, part 3, §5.1.1).
        ("en", {1.0: "1:1", 1.0004: "1:1", 1.5: "other:1.5", 10**29: f"other:{10**29:,}", 1e300: f"other:{10**300:,}"}),
        ("pl", {-1.0: "1:-1", -2: "few:-2", 5.0: "many:5"}),
        ("es", {1e6: "many:1.000.000"}),
    ],
)
def test_a_count_takes_the_form_of_its_language(tmp_path: Path, locale: str, forms: dict[float, str]) -> None:
    assert {n: said(tmp_path, PLURAL, locale, n=n) for n in forms} == forms


def test_amounts_of_any_size_are_written(tmp_path: Path) -> None:
    huge = "9" * 30
    assert said(tmp_path, "{{ m | money }}", "en", m={"amount": huge, "currency": "EUR"}) == f"€{int(huge):,}.00"
    assert said(tmp_path, "{{ n | number }}", "de", n=-(10**29)) == f"{-(10**29):,}".replace(",", ".")


@pytest.mark.parametrize(
    ("value", "reads"), [("Female", "her"), (True, "yes"), (False, "no"), (None, "them"), ([], "them")]
)
def test_a_form_is_chosen_whatever_the_case(tmp_path: Path, value: object, reads: str) -> None:
    text = "{{ x | choose(female='her', true='yes', false='no', other='them') }}"
    assert said(tmp_path, text, "en", x=value) == reads


def test_a_place_in_a_row_and_a_gender_have_forms_too(tmp_path: Path) -> None:
    text = "{{ n | ordinal(one='#st', two='#nd', few='#rd', other='#th') }}"
    assert [said(tmp_path, text, "en", n=n) for n in (1, 2, 3, 4, 11, 22)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "22nd",
    ]
    text = "{{ g | choose(female='she', other='they') }}"
    assert [said(tmp_path, text, "en", g=g) for g in ("female", "male", "", None)] == ["she", "they", "they", "they"]


@pytest.mark.parametrize(
    ("text", "direction", "reads"),
    [
        ("ORD-1001", "rtl", "\u2068ORD-1001\u2069"),
        ("+966 50 123", "rtl", "\u2068+966 50 123\u2069"),
        ("12-34", "rtl", "\u206812-34\u2069"),
        ("481920", "rtl", "481920"),
        ("1,234.5", "rtl", "1,234.5"),
        ("https://a.example/t/x", "rtl", "https://a.example/t/x"),
        ("help@cedar.example", "rtl", "help@cedar.example"),
        ("محمد", "rtl", "محمد"),
        ("محمد", "ltr", "\u2068محمد\u2069"),
        ("Zoë", "ltr", "Zoë"),
        ("ORD-1001", "ltr", "ORD-1001"),
        ("ORD-1001", "", "ORD-1001"),
    ],
)  # fmt: skip
def test_a_piece_of_the_other_direction_is_isolated(text: str, direction: str, reads: str) -> None:
    assert bidi.isolated(text, direction) == reads


def test_a_right_to_left_line_begins_as_one() -> None:
    assert bidi.led("OTP الرمز\nالرمز OTP\nhttps://a.example\n\u2068Cedar\u2069 طلبك") == (
        "\u200fOTP الرمز\nالرمز OTP\nhttps://a.example\n\u200f\u2068Cedar\u2069 طلبك"
    )


def ordered(pack: Pack, locale: str, **more: Any) -> Life:
    """An order of the pack whose customer has this language."""
    customer = {"name": "Asha", "phone": "+201001234567", "email": "asha@example.com", "locale": locale}
    life = Life(pack)
    life.take(event("ORD-1001", "created", workflow=pack.workflow.name, recipients={"customer": customer}, **more))
    return life


def texts(life: Life) -> dict[str, str]:
    return {m.channel: life.text_of(m) for m in life.messages.values()}


def test_an_arabic_order_is_told_in_arabic(tawseel: Pack) -> None:
    life = ordered(
        tawseel, "ar-EG", attributes={"boxes": 3, "gender": "female"}, price={"amount": "1250.50", "currency": "EGP"}
    )
    sms, mail = texts(life)["sms"], texts(life)["email"]
    assert (
        sms == "\u200f\u2068Stagebell\u2069: استلمنا طلبك \u2068ORD-1001\u2069 وفيه 3 علب.\nhttps://track.example/t/1"
    )
    assert measure(sms).encoding == "UCS-2"
    assert mail.startswith("عزيزتي \u2068Asha\u2069،")
    assert "1,250.50" in mail
    assert {m.locale for m in life.messages.values()} == {"ar"}
    assert {m.region for m in life.messages.values()} == {"EG"}


@pytest.mark.parametrize(("boxes", "reads"), [(1, "علبة واحدة"), (2, "علبتان"), (11, "11 علبة"), (100, "100 علبة")])
def test_arabic_counts_six_ways(tawseel: Pack, boxes: int, reads: str) -> None:
    assert f"وفيه {reads}." in texts(ordered(tawseel, "ar", attributes={"boxes": boxes}))["sms"]


@pytest.mark.parametrize(
    ("parcels", "reads"), [(1, "1 paczkę"), (2, "2 paczki"), (5, "5 paczek"), (22, "22 paczki"), (1.5, "1,5 paczki")]
)
def test_polish_counts_four_ways(paczka: Pack, parcels: float, reads: str) -> None:
    assert f"przyjęliśmy {reads}," in texts(ordered(paczka, "pl-PL", attributes={"parcels": parcels}))["sms"]


def test_a_mail_is_laid_out_from_right_to_left(tawseel: Pack) -> None:
    values: dict[str, Any] = {
        "brand": "Cedar & Co.", "link": "https://a.example/t/x", "order": {"id": "ORD-1"}, "name": "محمد", "stage": "X",
        "attributes": {}, "price": None, "eta": None, "locale": "ar", "replies": [],
    }  # fmt: skip
    html = tawseel.templates.render("ar", "order_created", "email", values).html
    assert '<html lang="ar" dir="rtl">' in html
    assert 'href="https://a.example/t/x"' in html
    assert "\u2068Cedar &amp; Co.\u2069 · \u2068ORD-1\u2069" in html
    plain = tawseel.templates.render("en", "order_created", "email", values | {"locale": "en"})
    assert 'dir="ltr"' in plain.html
    assert "\u2068محمد\u2069," in plain.text


def test_check_says_which_letter_makes_an_sms_dear(tawseel: Pack, paczka: Pack) -> None:
    said_of, other = remarks(paczka)
    assert other.file.name == "delay.sms.j2"
    assert said_of.file.name == "parcels_accepted.sms.j2"
    assert said_of.message == "GSM-7 has no 'ę' (U+0119), 'ś' (U+015B), 'ó' (U+00F3): 2 SMS segments in place of 1"
    assert list(remarks(tawseel)) == []
    sms = medium_of("sms")
    templates = paczka.templates
    values = {"brand": "B", "link": "L" * 60, "order": {"id": "1"}, "attributes": {"parcels": 2}, "locale": "pl"}
    assert "'ę' (U+0119)" in sms.remark(templates.render("pl", "parcels_accepted", "sms", values))


def edited(regional: Path, tmp_path: Path, file: str, *edits: tuple[str, str]) -> list[str]:
    """What check says of both packs after these edits to a file; an empty edit drops it."""
    folder = tmp_path / "packs"
    shutil.copytree(regional, folder)
    path = folder / file
    for old, new in edits:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    if not edits:
        path.unlink()
    return [p.message for p in packs.inspect(folder)[1]]


@pytest.mark.parametrize(
    ("file", "edits", "words"),
    [
        ("paczka/pl/parcels_accepted.sms.j2", [(' few="# paczki",', "")],
         "plural: pl also needs few; its forms are one, few, many, other"),
        ("tawseel/ar/order_created.sms.j2", [('zero="لا علب", ', ""), (' two="علبتان",', "")],
         "plural: ar also needs zero, two; its forms are zero, one, two, few, many, other"),
        ("paczka/en/parcels_accepted.sms.j2", [("other=", "few='x', other=")], "plural: en never uses few; its forms are one, other"),
        ("paczka/pl/delivered.email.j2", [(', other="Dzień dobry"', "")], "choose: needs 'other', for when none of the others fits"),
        ("paczka/workflow.yaml", [("parcels: number", "parcels: text")],
         "attributes.parcels | plural: is declared as text; write `attributes: {parcels: number}`"),
        ("paczka/workflow.yaml", [("locales: [pl, en]", "locales: [pl, en, xx]")], "'xx' is no language that the Unicode CLDR knows"),
        ("paczka/workflow.yaml", [("locales: [pl, en]", "locales: [pl, en, PL]")], "'PL' is the same language as 'pl'"),
        ("paczka/workflow.yaml", [("region: PL", "region: PL\nlocale_fallback: {uk: [ru, be]}")],
         "uk: none of ru, be is one of this pack's locales"),
        ("paczka/workflow.yaml", [("locales: [pl, en]", "locales: [pl, en, de]")], "accepted: no title in 'de'"),
    ],
)  # fmt: skip
def test_check_finds_what_a_language_lacks(
    regional: Path, tmp_path: Path, file: str, edits: list[tuple[str, str]], words: str
) -> None:
    found = edited(regional, tmp_path, file, *edits)
    assert words in found


def test_a_language_may_leave_to_its_kin_what_they_say_alike(tmp_path: Path, regional: Path) -> None:
    more = [
        ("locales: [pl, en]", "locales: [pl, en, en-GB, uk]"),
        ("region: PL", "region: PL\nlocale_fallback: {uk: pl}"),
    ]
    assert edited(regional, tmp_path, "paczka/workflow.yaml", *more) == []
    own = tmp_path / "packs/paczka/en-GB"
    own.mkdir()
    (own / "delivered.email.j2").write_text(
        (own.parent / "en/delivered.email.j2").read_text().replace("is delivered", "has come")
    )
    pack = packs.load(tmp_path / "packs").get("paczka")
    life = ordered(pack, "en-GB")
    assert "we took 1 parcel" in texts(life)["sms"]
    life.take(event("ORD-1001", "delivered", workflow="paczka"))
    assert "has come" in texts(life)["email"]
    assert "przyjęliśmy 1 paczkę" in texts(ordered(pack, "uk-UA"))["sms"]


def test_a_person_without_a_language_of_a_country_is_written_to_as_in_theirs() -> None:
    life = Life(errand())
    person = {"name": "Asha", "phone": "079 123 45 67", "country": "CH", "locale": "de"}
    life.take(event("E-1", "asked", workflow="errand", recipients={"customer": person}))
    assert {(m.locale, m.region) for m in life.messages.values() if m.address} == {("de", "CH")}
    assert "locales: [en, de]" in ERRAND
