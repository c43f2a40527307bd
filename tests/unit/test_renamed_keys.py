"""Old names of pack keys: taken for one release, with the line and what to write in place of them."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.workflows.packs import build_all, inspect
from service.workflows.renamed_keys import RENAMED
from tests.support.world import ROOT

WORKFLOW = ROOT / "templates/device_pickup/workflow.yaml"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the packs' folder with one pack."""
    shutil.copytree(ROOT / "templates/_layouts", tmp_path / "_layouts")
    shutil.copytree(ROOT / "templates/device_pickup", tmp_path / "device_pickup")
    return tmp_path / "device_pickup/workflow.yaml"


def test_a_pack_with_old_names_is_the_same_pack_and_check_says_what_to_write(pack: Path) -> None:
    new = build_all(pack.parent.parent)[0].workflow
    text = pack.read_text()
    assert "notify: " in text
    line = next(n for n, said in enumerate(text.splitlines(), 1) if ", notify: " in said)
    lines = text.splitlines()
    lines[line - 1] = lines[line - 1].replace(", notify: ", ", tells: ", 1)
    pack.write_text("\n".join(lines) + "\n")
    packs, problems = inspect(pack.parent.parent)
    assert problems == []
    assert packs[0].workflow.statuses == new.statuses
    said = CliRunner().invoke(app, ["check", str(pack.parent.parent)]).stdout
    assert f"warning: {pack}:{line}: 'tells' is called 'notify' now" in said


def test_both_names_at_once_are_a_mistake(pack: Path) -> None:
    text = pack.read_text()
    pack.write_text(text.replace(", notify: ", ", tells: price_changed, notify: ", 1))
    _, problems = inspect(pack.parent.parent)
    assert any("tells: unknown key" in problem.message for problem in problems)


def test_the_glossary_lists_every_old_name() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text()
    for path, new in RENAMED.items():
        assert f"| `{'.'.join(path)}` | `{'.'.join((*path[:-1], new))}` |" in glossary
