"""The packs of the repository, and small ones for tests."""

import re
import shutil
import tempfile
from functools import cache, lru_cache
from pathlib import Path

from service.workflows import packs
from service.workflows.packs import Pack, Packs
from tests.support.world import ROOT

ERRAND = (ROOT / "tests" / "data" / "errand.yaml").read_text("utf-8")


@lru_cache(maxsize=1)
def all_packs() -> Packs:
    """Every pack."""
    return Packs(packs.build_all(ROOT / "templates"))


def device_pickup() -> Pack:
    """The main workflow."""
    return all_packs().get("device_pickup")


def copied(*packs: str | Path) -> Path:
    """A new folder with copies of these packs, by name or folder, and of the shared files; deleted with this process.

    Loading a pack takes half a second and more, so cache it if you edit it in one way (`functools.cache`).
    """
    folder = Path(tempfile.mkdtemp(dir=_copies().name))
    for pack in ("_layouts", *packs):
        source = ROOT / "templates" / pack
        shutil.copytree(source, folder / source.name)
    return folder


@cache
def _copies() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="stagebell-packs-")


@lru_cache(maxsize=64)
def pack_of(yaml: str) -> Pack:
    """The pack with this `workflow.yaml`, without templates; raises PackError."""
    (pack,) = packs.build_all(written(yaml))
    return pack


def written(yaml: str) -> Path:
    """A folder of packs with only this one."""
    folder = Path(tempfile.mkdtemp(dir=_copies().name))
    name = found[1] if (found := re.search(r"^workflow: *(\w+)", yaml, re.MULTILINE)) else "nameless"
    (folder / name).mkdir()
    (folder / name / "workflow.yaml").write_text(yaml, "utf-8")
    return folder


def errand(*edits: tuple[str, str]) -> Pack:
    """The `errand` pack, which has one of everything, with replacements by `edits`."""
    yaml = ERRAND
    for old, new in edits:
        assert yaml.count(old) == 1, f"{old!r} is there {yaml.count(old)} times"
        yaml = yaml.replace(old, new)
    return pack_of(yaml)
