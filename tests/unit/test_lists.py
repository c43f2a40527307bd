"""Rows of lists: cells, headers, files of every kind and every way to be broken; and what rows do to their order."""

import codecs
import io
import zipfile
from datetime import datetime, time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from service.domain.causes import GreetRows
from service.domain.lists import Column, ListSpec
from service.domain.persons import Person
from service.lists.exporting import writer_of
from service.lists.files import FileRead, open_file, read_file, read_rows
from service.lists.lines import MOST_COLUMNS
from service.lists.values import Unreadable, value_of
from tests.support.events import NOON, event
from tests.support.life import Life
from tests.support.packs import all_packs
from tests.support.world import ROOT

SPEC = ListSpec(
    "leads",
    {
        "name": Column("name", "text", {"en": "Full name"}),
        "email": Column("email", "email", {"fr": "Courriel"}, required=True, personal=True, unique=True),
        "phone": Column("phone", "phone", personal=True),
        "size": Column("size", "number"),
        "budget": Column("budget", "money"),
        "since": Column("since", "date"),
        "kind": Column("kind", "choice", choices=("Small", "Large")),
        "wants": Column("wants", "boolean"),
    },
)


def _day(*parts: int) -> datetime:
    """As a spreadsheet has it: in no zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def read(content: bytes, said: dict[str, str] | None = None, *, tabs: bool = False) -> FileRead:
    return read_file(io.BytesIO(content), SPEC, said or {}, {}, "FR", tabs)


def mistakes(content: bytes, **said: str) -> list[tuple[int, str]]:
    return [(m.row, m.column) for m in read(content, said).mistakes.shown]


@pytest.mark.parametrize(
    ("column", "raw", "kept"),
    [
        ("phone", "06 12 34 56 78", "+33612345678"), ("phone", 33612345678.0, "+33612345678"),
        ("email", " Asha@EXAMPLE.com ", "Asha@example.com"), ("size", "12.50", 12.5), ("size", 7.0, 7),
        ("budget", "12.50 eur", {"amount": "12.50", "currency": "EUR"}),
        ("budget", {"amount": "5", "currency": "EUR"}, {"amount": "5", "currency": "EUR"}),
        ("since", _day(2026, 12, 27), "2026-12-27"), ("since", "2026-12-27", "2026-12-27"),
        ("name", _day(2026, 1, 5), "2026-01-05"), ("name", _day(2026, 1, 5, 9, 30), "2026-01-05 09:30:00"),
        ("name", time(9, 30), "09:30"), ("size", 1e14, 10**14), ("kind", "LARGE", "Large"), ("wants", "Oui", True), ("wants", 0, False), ("name", 5.0, "5"), ("name", "  ", None),
    ],
)  # fmt: skip
def test_a_cell_is_kept_in_one_form(column: str, raw: Any, kept: Any) -> None:
    assert value_of(SPEC.columns[column], raw, "FR") == kept


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        ("phone", "12"), ("phone", "call me"), ("email", "asha at example"), ("size", "1,234"), ("size", "nan"),
        ("size", float("inf")), ("budget", "77.50"), ("budget", {"amount": 1}), ("since", "27/12/2026"), ("size", True),
        ("since", "2026-02-30"), ("since", _day(2026, 1, 1, 10)), ("kind", "huge"), ("wants", "perhaps"),
        ("size", "1" * 16), ("size", 10**400), ("size", 1e300), ("name", "a\uffff"), ("name", Unreadable("is no value")),
        ("name", "a\x00b"), ("name", "\ud800"), ("name", "x" * 2001), ("name", ["x"]), ("since", "0001-01-01"),
    ],
)  # fmt: skip
def test_a_cell_that_does_not_fit_is_told_without_its_value(column: str, raw: Any) -> None:
    with pytest.raises(ValueError, match=r"is|has|holds|can be") as told:
        value_of(SPEC.columns[column], raw, "FR")
    assert not isinstance(raw, str) or len(raw) < 5 or raw not in str(told.value)


TABLE = "Full name;Courriel;phone\nAsha;asha@example.com;06 12 34 56 78\n\nRavi;ravi@example.com;\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(), codecs.BOM_UTF8 + TABLE.encode(), TABLE.encode("utf-16"), TABLE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), TABLE.replace(";", ",").encode(),
        TABLE.replace(";", "\t").encode(), TABLE.replace("\n", "\r\n").encode(), TABLE.replace("\n", "\r").encode(),
        b"sep=;\n" + TABLE.encode(), TABLE.replace("Asha;", '"Asha";').encode(), b"\n\r\n" + TABLE.encode(),
    ],
)  # fmt: skip
def test_text_is_read_in_every_usual_form(content: bytes) -> None:
    found = read(content)
    assert found.mistakes.shown == []
    assert found.rows.sample == [
        {"name": "Asha", "email": "asha@example.com", "phone": "+33612345678"},
        {"name": "Ravi", "email": "ravi@example.com"},
    ]


def workbook(*rows: Any) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def changed(content: bytes, part: str, *changes: tuple[str, str]) -> bytes:
    """The same workbook with other words in one of its parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(file, "w") as after:
        for name in before.namelist():
            text = before.read(name)
            for was, now in changes if name == part else ():
                assert was.encode() in text
                text = text.replace(was.encode(), now.encode())
            after.writestr(name, text)
    return file.getvalue()


SHEET, SHARED = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
EMAILS = ["a@example.com", "b@example.com"]


def excel() -> bytes:
    """As Excel writes it: cells name their texts by number."""
    cells = (
        f'<row r="{r}"><c r="A{r}" t="s"><v>{2 * r - 2}</v></c><c r="B{r}" t="s"><v>{2 * r - 1}</v></c></row>'
        for r in (1, 2, 3)
    )
    texts = "".join(f"<si><t>{text}</t></si>" for text in ("email", "name", EMAILS[0], "Asha", EMAILS[1], "Ravi"))
    parts = {
        "xl/workbook.xml": f'<workbook xmlns:r="{RELATIONS}"><sheets><sheet state="visible" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships><Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        SHEET: f'<worksheet xmlns="urn:x"><dimension ref="A1:B3"/><sheetData>{"".join(cells)}</sheetData></worksheet>',
        SHARED: f"<sst>{texts}</sst>",
    }  # fmt: skip
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


PLAIN = excel()


@pytest.mark.parametrize(
    "content",
    [
        # What it says of its size is wrong, or is all that a sheet can have.
        changed(PLAIN, SHEET, ('ref="A1:B3"', 'ref="A1:B2"')), changed(PLAIN, SHEET, ('ref="A1:B3"', 'ref="A1:XFD1048576"')),
        changed(PLAIN, SHEET, ('r="3"', 'r="1048576"'), ('A3"', 'A1048576"'), ('B3"', 'B1048576"')),
        # Neither rows nor cells are numbered; names have a prefix; a part is called by its whole path.
        changed(PLAIN, SHEET, (' r="1"', ""), (' r="2"', ""), (' r="A1"', ""), (' r="B1"', "")),
        changed(PLAIN, SHEET, ("<row", "<x:row"), ("</row", "</x:row"), ("xmlns=", 'xmlns:x="urn:x" xmlns=')),
        changed(PLAIN, "xl/_rels/workbook.xml.rels", ('Target="', 'Target="/xl/')),
        changed(PLAIN, SHARED, ("<t>Asha</t>", "<r><t>As</t></r><r><t>ha</t></r><rPh><t>aaa</t></rPh>")),
        changed(PLAIN, SHARED, ("Asha", "A_x0073_ha")),
    ],
)  # fmt: skip
def test_a_workbook_is_read_as_its_rows_are(content: bytes) -> None:
    found = read(content)
    assert found.mistakes.shown == []
    assert [(r["email"], r["name"]) for r in found.rows.sample] == list(zip(EMAILS, ("Asha", "Ravi"), strict=True))


def hidden_first() -> bytes:
    book, file = Workbook(), io.BytesIO()
    book.active.sheet_state = "hidden"
    book.active.append(["nothing of a table"])
    shown = book.create_sheet("Leads")
    for row in (["email"], *([e] for e in EMAILS)):
        shown.append(row)
    book.save(file)
    return file.getvalue()


def test_of_a_workbook_the_first_sheet_that_is_shown_is_read() -> None:
    assert [r["email"] for r in read(hidden_first()).rows.sample] == EMAILS


def with_hidden_rows(*hidden: int, column: str = "") -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in (["email", "name"], *([f"p{n}@example.com", "Asha"] for n in range(2, 40))):
        book.active.append(row)
    for n in hidden:
        book.active.row_dimensions[n].hidden = True
    if column:
        book.active.column_dimensions[column].hidden = True
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (with_hidden_rows(), []),
        (with_hidden_rows(1), []),
        (with_hidden_rows(7), [(7, "", "a row is hidden in the workbook (7)")]),
        (changed(with_hidden_rows(7), SHEET, ('hidden="1"', 'hidden="true"')), [(7, "", "a row is hidden")]),
        (with_hidden_rows(5, 6, 7, 9, 39, 41), [(5, "", "5 rows are hidden in the workbook (5 to 7, 9, 39)")]),
        (with_hidden_rows(*range(3, 40, 2)), [(3, "", "(3, 5, 7, 9, 11, 13, 15, 17, 19, 21 and 9 more)")]),
        (with_hidden_rows(column="B"), [(1, "name", "is hidden in the workbook, but read like the others")]),
    ],
)
def test_hidden_rows_and_columns_are_taken_and_told(content: bytes, told: list[tuple[int, str, str]]) -> None:
    found = read(content)
    assert (found.mistakes.shown, found.rows.count) == ([], 38)
    warnings = found.unseen.warnings
    assert [(w.row, w.column, said in w.problem) for w, (_, _, said) in zip(warnings, told, strict=True)] == [
        (row, column, True) for row, column, _ in told
    ]


def test_hidden_rows_and_columns_of_an_old_workbook_are_told_too() -> None:
    content = bytearray((ROOT / "tests/data/leads.xls").read_bytes())
    assert read(bytes(content)).unseen.warnings == []
    row = content.index(b"\x08\x02\x10\x00\x03\x00")  # the record of the fourth row
    content[row + 16] |= 0x20
    assert [(w.row, w.column) for w in read(bytes(content)).unseen.warnings] == [(4, "")]


def merged() -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in (["email", "name"], ["a@example.com", "Asha"], ["b@example.com", None]):
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(file)
    return file.getvalue()


LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", "<workbook/>")
        with parts.open("xl/sharedStrings.xml", "w") as part:
            for _ in range(110):
                part.write(bytes(1024 * 1024))
    return file.getvalue()


def entities() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook/>')
    return file.getvalue()


def test_a_workbook_is_read_with_its_days_and_numbers() -> None:
    found = read(workbook(["email", "since", "size", "wants"], ["a@example.com", _day(2026, 1, 5), 3, True]))
    assert found.mistakes.shown == []
    assert found.rows.sample == [{"email": "a@example.com", "since": "2026-01-05", "size": 3, "wants": True}]


def test_an_old_workbook_is_read_too() -> None:
    content = (ROOT / "tests/data/leads.xls").read_bytes()
    found = read(content)
    assert found.mistakes.shown == []
    assert found.rows.sample == [
        {"email": "a@example.com", "since": "2026-01-05", "size": 3, "wants": True, "phone": "+33612345678"},
        {"email": "b@example.com", "size": 2.5},
    ]
    assert read(content[:2000]).mistakes.count == 1


BROKEN: tuple[tuple[str, bytes, list[tuple[int, str]]], ...] = (
    ("nothing", b"", [(1, "")]),
    ("a header alone", b"email\n", [(0, "")]),
    ("a wrong cell", b"email,size\na@example.com,1\nb@example.com,many\n", [(3, "size")]),
    ("an empty cell that is needed", b"email,size\n,1\n", [(2, "email")]),
    ("the same twice", b"email\na@example.com\nA@EXAMPLE.COM\n", [(3, "email")]),
    ("a cell too many", b"email\na@example.com,x\n", [(2, "")]),
    ("an open quote", b'email,name\na@example.com,"Asha\n', [(2, "")]),
    ("Latin-1", "email,name\na@example.com,Zoé\n".encode("latin-1"), [(2, "")]),
    ("half a letter of UTF-16", TABLE.encode("utf-16") + b"\xd8", [(5, "")]),
    ("NUL", b"email\na@example.com\x00\n", [(2, "")]),
    ("a column twice", b"email,email\nx,y\n", [(1, "")]),
    ("a column of nobody's", b"email,shoe\na@example.com,44\n", [(1, "")]),
    ("a column that is missing", b"name\nAsha\n", [(1, "")]),
    ("a zip of no workbook", b"PK\x03\x04" + bytes(50), [(0, "")]),
    ("half a workbook", workbook(["email"], ["a@example.com"])[:3000], [(0, "")]),
    ("an old workbook of nonsense", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), [(1, "")]),
    ("a wrong cell of a workbook", workbook(["email", "size"], ["a@example.com", "x"]), [(2, "size")]),
    ("a bomb", bomb(), [(0, "")]),
    ("entities", entities(), [(0, "")]),
    ("a value under no name", b"email,,name\na@example.com,lost,Asha\n", [(2, "column 2")]),
    ("a column twice, further down", b"\n\nemail,email\n", [(3, "")]),
    ("a formula without its result", workbook(["email", "name"], ["a@example.com", "=A1&B1"]), [(2, "name")]),
    ("a header that is none", workbook(["email", "=A1"], ["a@example.com", "x"]), [(1, "")]),
    ("an error in a cell", changed(PLAIN, SHEET, ('"B2" t="s"><v>3<', '"B2" t="e"><v>#N/A<')), [(2, "name")]),
    ("cells that are merged", merged(), [(2, "")]),
    ("a password", LOCKED, [(0, "")]),
    ("a text that is not there", changed(PLAIN, SHEET, ("<v>3</v>", "<v>99</v>")), [(2, "")]),
    ("rows out of their order", changed(PLAIN, SHEET, ('row r="3"', 'row r="1"')), [(2, "")]),
    ("a row beyond the last", changed(PLAIN, SHEET, ('row r="3"', 'row r="1048577"')), [(1048577, "")]),
    ("a column beyond the last", changed(PLAIN, SHEET, ('r="B3"', 'r="XFD3"')), [(3, "")]),
    ("a letter without end", changed(PLAIN, SHEET, ("<v>3</v>", f"<v>{'9' * 40_000}</v>")), [(2, "")]),
    ("no sheet", changed(PLAIN, "xl/workbook.xml", ('state="visible"', 'state="hidden"')), [(0, "")]),
    ("too many cells", b"email" + b",x" * (MOST_COLUMNS + 1) + b"\n", [(1, "")]),
)  # fmt: skip


@pytest.mark.parametrize(("_what", "content", "where"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_file_is_answered_with_row_and_column(
    _what: str, content: bytes, where: list[tuple[int, str]]
) -> None:
    assert mistakes(content) == where


def test_text_is_read_as_its_sender_says_that_it_is_written() -> None:
    content = "email,name\na@example.com,Zo\xe9\u20ac\n".encode("cp1252")
    found = read_rows(open_file(io.BytesIO(content), False, "Windows-1252"), SPEC, {}, {}, "FR")
    assert [r["name"] for r in found.rows.sample] == ["Zoé€"]
    unknown = open_file(io.BytesIO(content), False, "utf-7").read.mistakes.shown
    assert [(m.row, "charset=utf-7" in m.problem) for m in unknown] == [(0, True)]
    # Unicode's other ends of lines end no row.
    for encoding in ("utf-8", "utf-16"):
        assert read("email,name\na@example.com,x\x85y\u2028z\n".encode(encoding)).mistakes.shown[0].row == 2
        assert read("email,name\na@example.com,x\u2028z\n".encode(encoding)).rows.sample[0]["name"] == "x\u2028z"


def test_all_mistakes_are_counted_and_a_hundred_shown() -> None:
    found = read(b"email,size\n" + b"x,y\n" * 150)
    assert (found.mistakes.count, len(found.mistakes.shown), found.rows.count) == (300, 100, 0)


def test_columns_are_mapped_as_said_then_as_remembered() -> None:
    content = b"E-Post,Remarks\na@example.com,x\n"
    assert mistakes(content) == [(1, ""), (1, "")]
    found = read(content, {"e-post": "email", "Remarks": ""})
    assert (found.mapping, found.rows.count) == ({"E-Post": "email", "Remarks": ""}, 1)
    again = read_file(io.BytesIO(content), SPEC, {}, found.mapping, "FR", False)
    assert again.rows.count == 1
    assert mistakes(b"a\nx\n", a="nothing") == [(1, "")]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_holds_no_formula_and_can_be_read_again(kind: Any) -> None:
    row = {
        "name": "=1+1",
        "email": "a@example.com",
        "size": -3,
        "budget": {"amount": "1", "currency": "EUR"},
        "wants": False,
    }
    writer = writer_of(kind, SPEC)
    writer.add([(NOON, row)])
    content = writer.finish().read()
    assert b"\n=1+1" not in content
    found = read(content)
    assert found.mistakes.shown == []
    assert found.rows.sample == [row], "what was added against formulas is no part of the values"


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400) | st.text(alphabet='email,;\t\n\r"x1@é\x00', max_size=80).map(str.encode), st.booleans())
def test_any_bytes_are_rows_or_mistakes(content: bytes, tabs: bool) -> None:
    for start in (b"", b"email,name\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", codecs.BOM_UTF16_LE):
        found = read(start + content, tabs=tabs)
        assert found.mistakes.count or found.rows.count


MARKETING = next(p for p in all_packs() if p.workflow.name == "marketing_services")
PEOPLE = {"provider": {"email": "studio@example.com"}, "provider_contacts": [{"email": "a@example.com"}]}


def life() -> Life:
    order = Life(MARKETING)
    order.take(event("M-1", "approved", workflow="marketing_services", recipients=PEOPLE))
    return order


def rows(n: int, **more: Any) -> dict[str, Any]:
    listed = {"leads": {"rows": [{"email": f"l{i}@example.com"} for i in range(n)]}}
    return event("M-1", kind="order.updated", workflow="marketing_services", lists=listed, **more)


def test_rows_make_a_list_grow_and_are_told_to_the_addresses_that_the_provider_chose() -> None:
    order = life()
    order.take(rows(3))
    order.take(rows(2))
    assert order.order is not None
    assert (order.order.lists["leads"].count, order.order.lists["leads"].added) == (5, 2)
    told = [(a, t) for a, t in order.mails if "new leads" in t]
    assert [a for a, _ in told] == ["a@example.com"] * 2
    assert "5 in all" in told[-1][1]
    assert order.kinds().count("rows_added") == 2


def test_more_rows_than_an_event_holds_are_refused() -> None:
    assert "data.lists" in life().refusal(rows(501))


def test_only_the_person_of_a_row_is_greeted_and_without_a_link_to_the_order() -> None:
    order = life()
    before = len(order.messages)
    people = (
        Person(name="Zoé", email="zoe@example.com", locale="fr"),
        Person(email="x@example.com", muted=("lead_welcome",)),
    )
    order.cause(GreetRows(order.now, "lead_welcome", people))
    new = list(order.messages.values())[before:]
    assert [(m.address, m.audience, m.locale, m.state) for m in new] == [
        ("zoe@example.com", "row", "fr", "pending"), ("x@example.com", "row", "en", "suppressed"),
    ]  # fmt: skip
