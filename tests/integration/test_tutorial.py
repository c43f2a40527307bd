"""docs/tutorial.md, run as it stands."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.nodes import free_port
from tests.support.process import STAGEBELL
from tests.support.world import ROOT

BLOCK = re.compile(r"```(\w+)(?: file=(\S+))?\n(.*?)```", re.S)


def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    base = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    env = {**base, "PYTHONPATH": str(ROOT), "STAGEBELL_HTTP_PORT": str(free_port())}
    said = ""
    blocks = BLOCK.findall((ROOT / "docs/tutorial.md").read_text())
    assert len(blocks) == 4
    for kind, file, text in blocks:
        if kind == "yaml":
            (tmp_path / file).write_text(text)
            continue
        script = text.replace("stagebell ", " ".join(STAGEBELL) + " ")
        done = subprocess.run(
            ["bash", "-ec", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    assert "kitchen/not_in_the_oven" in said
    assert "Crumbs: your cake" in said


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "docs/workflows.md", "docs/tutorial.md"])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    file = ROOT / document
    for target in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
        assert (file.parent / target).exists(), target
