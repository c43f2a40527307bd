"""Changed texts as a unified diff that `git apply` takes (Git, "diff-format", and GNU diffutils, "Unified Format")."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./@+-]+")
_NO_END: Final = "\\ No newline at end of file\n"


class FileChange(Struct, frozen=True):
    """A file before and after; None: it does not exist. `path`: with slashes, from where the patch is applied."""

    path: str
    was: str | None
    now: str | None


def patch(changes: Iterable[FileChange]) -> str:
    """One patch of all changes; unchanged files are left out."""
    return "".join(line for change in changes if change.was != change.now for line in _file(change))


def _file(change: FileChange) -> Iterator[str]:
    old, new = _quoted(f"a/{change.path}"), _quoted(f"b/{change.path}")
    yield f"diff --git {old} {new}\n"
    if change.was is None:
        yield "new file mode 100644\n"
    if change.now is None:
        yield "deleted file mode 100644\n"
    before, after = _lines(change.was or ""), _lines(change.now or "")
    names = ("/dev/null" if change.was is None else old, "/dev/null" if change.now is None else new)
    for line in difflib.unified_diff(before, after, *names, lineterm="\n"):
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"


def _lines(text: str) -> list[str]:
    """The lines with their ends. Git knows only LF; `splitlines` would split at other characters, too."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _quoted(path: str) -> str:
    """A name quoted like Git does (Git, core.quotePath)."""
    if _PLAIN.fullmatch(path):
        return path
    escaped = "".join(chr(b) if 0x20 <= b < 0x7F and b not in b'"\\' else f"\\{b:03o}" for b in path.encode())
    return f'"{escaped}"'
