"""Packs as one value, stored in the ledger for orders that started with them."""

import tempfile
import zlib
from functools import cache
from pathlib import Path

import msgspec

from service.workflows.pack_text import with_over
from service.workflows.packs import Pack, load_all


def bundle(pack: Pack) -> bytes:
    """Bundle a pack's files."""
    folder = pack.templates.folder
    texts = {
        file.relative_to(folder.parent).as_posix(): file.read_text(encoding="utf-8") if text is None else text
        for file, text in with_over(folder, pack.over)
    }
    return zlib.compress(msgspec.json.encode(texts))


def unbundle(bundled: bytes, version: str) -> Pack:
    """The pack of a bundle; raises PackError if this release can no longer read it."""
    root = Path(tempfile.mkdtemp(dir=_folders().name))
    for name, text in msgspec.json.decode(zlib.decompress(bundled), type=dict[str, str]).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (pack,) = load_all(root)
    return Pack(msgspec.structs.replace(pack.workflow, version=version), pack.templates)


@cache
def _folders() -> tempfile.TemporaryDirectory[str]:
    """Where this process unpacks; removed when it ends, so that starts and restarts fill no disk."""
    return tempfile.TemporaryDirectory(prefix="stagebell-packs-")
