"""The text of a pack, its version, and the version of the rules that it was checked by."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import jinja2

from service.channels import registry
from service.workflows.templates import LAYOUTS, TEMPLATES


def files_of(folder: Path) -> list[Path]:
    """The YAML and templates of a pack, and the layouts that it shares with others, sorted by path."""
    templates = (file for pattern in TEMPLATES for file in folder.glob(pattern))
    return sorted([folder / "workflow.yaml", *templates, *(folder.parent / LAYOUTS).glob("*.j2")])


def is_text(file: Path) -> bool:
    """Whether a file is UTF-8."""
    try:
        file.read_bytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def version_of(folder: Path, over: Mapping[str, str | None] = {}) -> str:
    """The version of this exact text: a digest of the pack's files and the shared layouts. `over`: see `Pack`."""
    digest = hashlib.sha256()
    beside = len(folder.parent.as_posix().rstrip("/")) + 1 if folder.parent.parts else 0
    for file, text in with_over(folder, over):
        digest.update(file.as_posix()[beside:].encode())
        digest.update(file.read_bytes() if text is None else text.encode())
    return digest.hexdigest()[:12]


def with_over(folder: Path, over: Mapping[str, str | None]) -> Iterator[tuple[Path, str | None]]:
    """Each file with its text, or the published text that replaces it; without those that are left out."""
    if not over:
        yield from ((file, None) for file in files_of(folder))
        return
    instead = {folder / name: text for name, text in over.items()}
    for file in sorted({*files_of(folder), *instead}):
        if file not in instead or instead[file] is not None:
            yield file, instead.get(file)


@lru_cache(maxsize=1)
def rules() -> str:
    """The version of the rules: a digest of this release's checker, and of the channels."""
    digest = hashlib.sha256(jinja2.__version__.encode())
    for room in (Path(__file__).parent, Path(registry.__file__).parent):
        for file in sorted(room.rglob("*.py")):
            digest.update(file.read_bytes())
    digest.update("\n".join(registry.packages()).encode())
    return digest.hexdigest()[:12]
