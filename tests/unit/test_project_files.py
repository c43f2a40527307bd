"""Files around the code: generated ones are current, records have their form, and `make help` lists every target."""

import re
import runpy
import subprocess
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from service import __version__
from tests.support import partitioning

ROOT: Final = Path(__file__).parents[2]
RECORDS: Final = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
PARTS: Final = ["Context", "Decision", "Alternatives", "Consequence"]


def test_the_data_model_is_current() -> None:
    """When this fails: `make data-model`."""
    assert runpy.run_path(str(ROOT / "docs/data_model.py"))["text"]() == (ROOT / "docs/data-model.md").read_text()


@pytest.mark.parametrize("file", RECORDS, ids=lambda file: file.stem)
def test_a_decision_record_has_its_form_and_is_listed(file: Path) -> None:
    title, when, *_ = (line for line in file.read_text().splitlines() if line)
    number, _, words = title.removeprefix("# ").partition(" ")
    assert file.name == f"{number}-{re.sub(r'[^a-z0-9]+', '-', words.lower()).strip('-')}.md"
    day, _, state = when.partition(" · ")
    assert date.fromisoformat(day) <= date.today()  # noqa: DTZ011
    assert re.fullmatch(r"accepted|replaced by \d{4}", state)
    assert re.findall(r"(?m)^## (.*)$", file.read_text()) == PARTS
    assert f"(adr/{file.name})" in (ROOT / "docs/architecture.md").read_text()


def test_records_are_numbered_without_a_gap() -> None:
    assert [int(file.name[:4]) for file in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_changelog_knows_this_version() -> None:
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text())
    assert headings[0] == "Unreleased"
    assert __version__ in headings


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"(?m)^\.PHONY: (.*)$", makefile)
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(line.split()[0] for line in said.splitlines()) == sorted(phony.split())


def test_the_ci_calls_targets_that_exist() -> None:
    called = re.findall(r"make ([a-z-]+)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert called
    assert set(called) <= set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{file.relative_to(ROOT)}: {link}"
        for file in documents
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", file.read_text())
        if not (file.parent / link).exists()
    ]
    assert dead == []


def test_one_place_makes_connections() -> None:
    """To a database for queries, LISTEN, migrations and benches alike, and to a broker: settings mean the same to all.

    The bench's peers stand for other people's programs and have nothing of ours.
    """

    def makers(pattern: str, *folders: str) -> set[str]:
        files = [f for folder in folders for f in (ROOT / folder).rglob("*.py")]
        found = {f.relative_to(ROOT).as_posix() for f in files if re.search(pattern, f.read_text(encoding="utf-8"))}
        return {name for name in found if not name.startswith("bench/peers/")}

    databases = r"asyncpg\.(connect|create_pool)\(|\bcreate_(async_)?engine\(|aiosqlite\.connect"
    in_ledger = {"service/ledger/database/connecting.py", "service/ledger/database/sqlite.py"}
    assert makers(databases, "service", "bench") == in_ledger
    assert makers(r"aio_pika\.connect|connect_robust", "service") == {"service/broker/rabbitmq_topology.py"}


def test_the_page_on_scaling_names_what_asks_all_orders() -> None:
    page = " ".join((ROOT / "docs/scaling.md").read_text(encoding="utf-8").split())
    assert [words for words in partitioning.ASKED_OF_ALL.values() if words not in page] == []
