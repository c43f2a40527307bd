"""Names of settings: one that nobody reads is a mistake, and is told with the nearest right one; values from files.

Any setting may be given as a file, `STAGEBELL_<NAME>_FILE`, as the official images of PostgreSQL and others take
their secrets (Docker, "Manage secrets in Compose"): the file's content, without its last line end, is the value.
"""

import difflib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from service.domain.errors import Rejection
from service.domain.repeated_keys import refuse_repeated_keys

PREFIX: Final = "STAGEBELL_"
FILE: Final = "_FILE"
# Read by tests and failpoints, not by the settings.
_OTHERS: Final = ("STAGEBELL_TEST_", "STAGEBELL_FAILPOINT")
# How near a name's beginning is to our prefix to be a slip of it: STAGEBEL_, STAGE_BELL_, STAGBELL_.
_SLIP: Final = 0.8
_INSTEAD: Final = {
    "TRUST_FORWARDED": "set STAGEBELL_PROXIES=1, the number of proxies in front of the service",
}
# Kubernetes, "Discovering services": variables that it sets for every service, here for one named `stagebell`.
_KUBERNETES: Final = ("STAGEBELL_PORT", "STAGEBELL_SERVICE_HOST", "STAGEBELL_SERVICE_PORT")


def given(environment: Mapping[str, str], env_file: Path) -> dict[str, str]:
    """What is set under our prefix, or a slip of it, upper-case: the environment first, then the `.env` file."""
    kept = {k.upper(): v or "" for k, v in dotenv_values(env_file).items()} if env_file.is_file() else {}
    kept |= {k.upper(): v for k, v in environment.items()}
    return {k: v for k, v in kept.items() if k.startswith(PREFIX) or _is_slip(k)}


def given_twice(environment: Mapping[str, str], env_file: Path) -> Iterator[str]:
    """A line for each setting that two lines of the `.env` file, or two spellings of one name in the environment, give
    differently, or whose JSON has a key twice."""
    bindings = parse_stream(io.StringIO(env_file.read_text(encoding="utf-8"))) if env_file.is_file() else ()
    yield from _differing(((b.key or "", b.value) for b in bindings), str(env_file))
    yield from _differing(environment.items(), "the environment")
    for name, value in given(environment, env_file).items():
        if value.startswith("{"):
            try:
                refuse_repeated_keys(value.encode())
            except Rejection as rejection:
                yield f"{name}: {rejection.reason}"
            except ValueError:
                pass  # that it is no JSON is told with its form


def _differing(pairs: Iterable[tuple[str, str | None]], where: str) -> Iterator[str]:
    found: dict[str, str | None] = {}
    for key, value in pairs:
        name = key.upper()
        if name.startswith(PREFIX) and found.setdefault(name, value) != value:
            yield f"{name}: stands twice in {where}, and differs; leave one of them out"


def _is_slip(name: str) -> bool:
    return difflib.SequenceMatcher(None, name[: len(PREFIX)], PREFIX, autojunk=False).ratio() >= _SLIP


def unknown(names: Iterable[str], fields: Iterable[str]) -> Iterator[str]:
    """A line for each name that is no setting, with what to write instead."""
    right = {PREFIX + f.upper() for f in fields}
    for name in sorted(names):
        if name in right or name.startswith(_OTHERS) or (name.endswith(FILE) and name.removesuffix(FILE) in right):
            continue
        yield f"{name}: {_hint(name, right)}"


def _hint(name: str, right: set[str]) -> str:
    if (instead := _INSTEAD.get(name.removeprefix(PREFIX))) is not None:
        return f"is no setting any more; {instead}"
    if name.startswith(_KUBERNETES):
        return "is set by Kubernetes for a service named stagebell; set enableServiceLinks: false in the pod's spec"
    near = difflib.get_close_matches(name, sorted(right), 1, 0.75)
    return (
        f"there is no such setting; did you mean {near[0]}?"
        if near
        else "there is no such setting; see docs/settings.md"
    )


def from_files(settings: Mapping[str, str], fields: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The values that are given as files, by field; and a line for each file that cannot be used."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for field in fields:
        name = PREFIX + field.upper()
        path = settings.get(name + FILE, "")
        if not path:
            continue
        if settings.get(name):
            wrong.append(f"{name}{FILE}: {name} is set too; leave one of them out")
            continue
        try:
            values[field] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            wrong.append(f"{name}{FILE}: cannot read {path}: {why}")
    return values, wrong
