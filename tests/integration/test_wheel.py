"""An installed Stagebell, in an empty folder: no checkout beside it, and still packs to play, to check and to start from."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service import __version__
from tests.integration.test_tutorial import ACTIVATE, BLOCK
from tests.support.ports import free_port
from tests.support.world import ROOT

BUILT_FROM = ("service", "templates", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel holds and nothing else."""
    source, built, target = (tmp_path_factory.mktemp(name) for name in ("source", "built", "installed"))
    for name in BUILT_FROM:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    uv = ROOT / ".venv/bin/uv"
    done = subprocess.run(
        [uv, "build", "-q", "--wheel", "--python", sys.executable, "--out-dir", built, source],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def stagebell(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    # Before the checkout that the tests' own environment knows.
    env |= {"PYTHONPATH": str(installed), "STAGEBELL_HTTP_PORT": str(free_port())}
    return subprocess.run(
        [sys.executable, "-P", "-m", "service", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_the_wheel_holds(installed: Path) -> None:
    """Code and what it reads beside it, the packs, the licence, the mark that types are meant to be read."""
    code = {p.relative_to(ROOT) for p in (ROOT / "service").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    packs = {Path("service") / p.relative_to(ROOT) for p in (ROOT / "templates").rglob("*") if p.is_file()}
    held = {p.relative_to(installed) for p in installed.rglob("*") if p.is_file()}
    assert (code | packs) - held == set()
    assert Path("service/py.typed") in held
    assert {p.parts[0] for p in held} == {"service", f"stagebell-{__version__}.dist-info"}
    (info,) = installed.glob("*.dist-info")
    said = (info / "METADATA").read_text()
    assert f"\nVersion: {__version__}\n" in said
    assert "\nLicense-Expression: Apache-2.0\n" in said
    assert "\nProvides-Extra: apprise\n" in said
    assert (info / "licenses/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_version_is_written_once() -> None:
    """The chart names the image of the same version; the package's own stands in `service/__init__.py` alone."""
    chart = (ROOT / "deploy/helm/stagebell/Chart.yaml").read_text()
    assert re.findall(r"(?m)^(?:version|appVersion): \"?([^\"\n]+)", chart) == [__version__] * 2
    assert __version__ not in (ROOT / "pyproject.toml").read_text()


@pytest.mark.long
def test_it_plays_checks_and_makes_packs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    played = stagebell(installed, tmp_path, "demo", "--orders", "1", "--speed", "1000000", "--exit")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "these are the ones that come with Stagebell" in played.stdout
    checked = stagebell(installed, tmp_path, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "device_pickup" in checked.stdout
    made = stagebell(installed, tmp_path, "new", "cakes")
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "templates/cakes/workflow.yaml").is_file()
    assert (tmp_path / "templates/_layouts/email.html.j2").is_file()
    # From now on the folder has packs of its own.
    checked = stagebell(installed, tmp_path, "check")
    assert checked.stdout.startswith("cakes ")
    assert "device_pickup" not in checked.stdout


@pytest.mark.long
def test_the_tutorial_works_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = tmp_path / "bin/stagebell"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m service "$@"\n')
    command.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    env |= {"PYTHONPATH": str(installed), "STAGEBELL_HTTP_PORT": str(free_port())}
    env["PATH"] = f"{command.parent}:{env['PATH']}"
    folder = tmp_path / "empty"
    folder.mkdir()
    said = ""
    for kind, file, text in BLOCK.findall((ROOT / "docs/tutorial.md").read_text()):
        if kind == "yaml":
            (folder / file).write_text(text)
            continue
        script = text.replace(ACTIVATE, "")  # as the tutorial says of a Stagebell that was installed
        done = subprocess.run(
            ["bash", "-ec", script], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    assert "kitchen/not_in_the_oven" in said


def test_a_folder_that_is_named_and_not_there_is_an_error(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STAGEBELL_WORKFLOWS=nowhere\n")
    checked = stagebell(installed, tmp_path, "check")
    assert checked.returncode == 1
    assert "nowhere" in checked.stdout
