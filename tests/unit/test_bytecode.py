"""Templates that were compiled once are not compiled again, by this process or the next; nothing wrong is ever run."""

import os
import tempfile
import traceback
from collections import OrderedDict
from pathlib import Path
from types import CodeType

import pytest
from jinja2 import BaseLoader, DictLoader, Environment, FunctionLoader, UndefinedError

from service.workflows import bounds, bytecode
from service.workflows.bytecode import CompiledTemplates


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the compiled ones are kept; nothing is known yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _forget(monkeypatch)
    return tmp_path / f"_jinja2-cache-{os.getuid()}"


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has just been started."""
    monkeypatch.setattr(bytecode, "_kept", OrderedDict())


class _Counting(Environment):
    compiled = 0

    def _compile(self, source: str, filename: str) -> CodeType:
        self.compiled += 1
        return super()._compile(source, filename)


def rendered(text: str, kind: str = "plain", loader: BaseLoader | None = None) -> tuple[str, int]:
    """What it says, and how many were compiled for it."""
    cache = CompiledTemplates(kind, bounds)
    environment = _Counting(loader=loader or DictLoader({"a": text}), bytecode_cache=cache, autoescape=kind == "html")
    return environment.get_template("a").render(x="<b>"), environment.compiled


def test_compiled_once_for_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered("1 {{ x }}") == ("1 <b>", 1)
    assert rendered("1 {{ x }}") == ("1 <b>", 0)
    _forget(monkeypatch)
    assert rendered("1 {{ x }}") == ("1 <b>", 0), "read from the folder"
    assert rendered("2 {{ x }}") == ("2 <b>", 1), "another text of the same name"
    assert rendered("2 {{ x }}", "html") == ("2 &lt;b&gt;", 1), "escaped, it is other code"
    assert folder.stat().st_mode & 0o077 == 0


def test_what_is_at_hand_is_known_without_loading_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CompiledTemplates("plain", bounds)
    assert not cache.is_at_hand("a", "5 {{ x }}"), "never compiled"
    rendered("5 {{ x }}")
    _forget(monkeypatch)
    assert [cache.is_at_hand("a", text) for text in ("5 {{ x }}", "6 {{ x }}")] == [True, False]
    assert not bytecode._kept


def test_the_same_text_elsewhere_is_not_compiled_again_and_says_where_it_stands(folder: Path) -> None:
    def at(file: str) -> BaseLoader:
        return FunctionLoader(lambda _name: ("\n{% block b %}{{ missing.x }}{% endblock %}", file, None))

    for file, compiled in (("/one/a.j2", 1), ("/two/a.j2", 0), ("/one/a.j2", 0)):
        environment = _Counting(loader=at(file), bytecode_cache=CompiledTemplates("plain", bounds))
        template = environment.get_template("a")
        assert (environment.compiled, template.filename) == (compiled, file)
        with pytest.raises(UndefinedError) as caught:
            template.render()
        frames = [(f.filename, f.lineno) for f in traceback.extract_tb(caught.value.__traceback__)]
        assert (file, 2) in frames
        assert template.blocks["b"].__code__.co_filename == file


@pytest.mark.parametrize("damage", [b"", b"j2", b"something else altogether"])
def test_damaged_files_are_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    rendered("3 {{ x }}")
    for file in folder.iterdir():
        whole = file.read_bytes()
        file.write_bytes(damage if damage != b"j2" else whole[: len(whole) // 2])
    _forget(monkeypatch)
    assert rendered("3 {{ x }}") == ("3 <b>", 1)


def test_a_folder_that_others_may_write_is_not_used(folder: Path) -> None:
    folder.parent.chmod(0o777)
    folder.symlink_to(folder.parent)
    assert rendered("4") == ("4", 1)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_oldest_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "MOST_KEPT", 4)
    for n in range(9):
        rendered(f"{n}", loader=DictLoader({"a": f"{n}", str(n): ""}), kind=f"kind {n}")
    assert len(list(folder.iterdir())) <= 5
