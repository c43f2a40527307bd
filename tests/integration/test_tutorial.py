"""docs/tutorial.md, run as it stands."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.nodes import Rabbit
from tests.support.ports import free_port
from tests.support.world import ROOT

ACTIVATE = ". .venv/bin/activate\n"
BLOCK = re.compile(r"```(\w+)(?: file=(\S+))?\n(.*?)```", re.S)


def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    base = {k: v for k, v in os.environ.items() if not k.startswith(("STAGEBELL_", "MAKE", "MFLAGS", "ARGS"))}
    env = {**base, "PYTHONPATH": str(ROOT), "STAGEBELL_HTTP_PORT": str(free_port())}
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    said = ""
    blocks = BLOCK.findall((ROOT / "docs/tutorial.md").read_text())
    assert len(blocks) == 4
    for kind, file, text in blocks:
        if kind == "yaml":
            (tmp_path / file).write_text(text)
            continue
        # As one terminal: what the first block activates holds for the next.
        done = subprocess.run(
            ["bash", "-ec", (ACTIVATE if said else "") + text],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    assert "kitchen/not_in_the_oven" in said
    assert "Crumbs: your cake" in said


def test_the_backup_of_sqlite_works_as_written(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\.venv/bin/python -c .*$", (ROOT / "docs/upgrading.md").read_text(), re.M)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    with closing(sqlite3.connect(tmp_path / "stagebell.db")) as running:
        running.execute("PRAGMA journal_mode=WAL")
        running.execute("CREATE TABLE orders (id TEXT)")
        running.execute("INSERT INTO orders VALUES ('ORD-1')")
        running.commit()
        subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    with closing(sqlite3.connect(tmp_path / "stagebell.backup.db")) as backup:
        assert backup.execute("SELECT id FROM orders").fetchall() == [("ORD-1",)]


README_BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
NOT_PASTED = ("make test\n",)  # it is what runs this


def _clone(folder: Path) -> Path:
    """The checkout as a clone would be, with the environment that `make run` would install."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    # With its bytecode, which a new environment has as well: to compile it takes longer than all else here.
    files += [f.relative_to(ROOT).as_posix() for f in (ROOT / "service").rglob("__pycache__/*.pyc")]
    for name in files:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def test_readme_works_pasted_as_it_stands(tmp_path: Path, rabbit: Rabbit) -> None:
    """Every block, in order, in one terminal; only the port and the broker's address are this machine's own."""
    port = free_port()
    blocks = README_BLOCKS.findall((ROOT / "README.md").read_text())
    script = ""
    for kind, text in blocks:
        if text in NOT_PASTED:
            continue
        own = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("amqp://guest:guest@localhost/", rabbit.url)
        # The interactive Python reads what is pasted line by line.
        script += f".venv/bin/python -i <<'PASTED'\n{own}\nPASTED\n" if kind == "python" else own
        script += "echo; echo ----; sleep 1\n"
    assert "python -i" in script
    assert rabbit.url in script
    base = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    env = {**base, "PYTHONPATH": str(tmp_path), "STAGEBELL_HTTP_PORT": str(port), "COLUMNS": "200",
           "ARGS": "--orders 1 --speed 1000000 --exit"}  # fmt: skip
    terminal = subprocess.Popen(
        ["bash", "-e"], cwd=_clone(tmp_path), env=env, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = terminal.communicate(script, timeout=240)
    finally:
        if terminal.poll() is None:
            os.killpg(terminal.pid, signal.SIGKILL)
    assert terminal.returncode == 0, said
    assert "Traceback" not in said, said
    played, answered, _, _, explained, written, *_ = said.split("\n----\n")
    assert "Messages: " in played
    assert '"outcome":"accepted"' in answered.replace(" ", "")
    assert "order_created" in answered
    assert "vendor_assigned" in explained, said
    assert written.strip() == ""
    looked = subprocess.run(
        [sys.executable, "-c", "from service import settings; print(settings.load().require_channels)"],
        cwd=tmp_path, env={**base, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert looked.stdout.strip() == "('sms', 'email')", looked.stderr


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{f.name}" for f in sorted((ROOT / "docs").glob("*.md")))])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    file = ROOT / document
    for target in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
        assert (file.parent / target).exists(), target
