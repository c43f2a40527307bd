"""docs/check.md has a row for each message that `stagebell check` can give."""

import ast
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import service.workflows
from tests.support.world import ROOT

ROWS = [
    re.sub(r"\\\|", "|", row)
    for row in re.findall(r"^\| ((?:[^|\\]|\\.)+) \|", (ROOT / "docs/check.md").read_text(), re.M)
][1:]
SAYS = {"Problem": 2, "problem": 1, "YamlError": 0, "SecurityError": 0, "ValueError": 0}


def _messages(module: object) -> list[str]:
    """Every text with which a problem is made, its values as `…`."""
    tree = ast.parse(Path(module.__file__).read_text())  # type: ignore[attr-defined]
    # A text may be put into a variable first.
    named: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in SAYS and len(node.args) > SAYS[name]:
                said: ast.AST = node.args[SAYS[name]]
                said = said.left if isinstance(said, ast.BinOp) else said
                found += [_text(one) for one in (named.get(said.id, []) if isinstance(said, ast.Name) else [said])]
    return [text for text in found if text]


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
    return ""


MODULES = [import_module(f"service.workflows.{m.name}") for m in pkgutil.iter_modules(service.workflows.__path__)]


@pytest.mark.parametrize("message", sorted({m for module in MODULES for m in _messages(module)}))
def test_each_message_of_check_has_its_row(message: str) -> None:
    constant = max(message.split("…"), key=len).strip(" ;:,`")
    assert any(constant in row for row in ROWS), constant


def test_the_messages_were_found() -> None:
    assert sum(len(_messages(module)) for module in MODULES) > 35
    assert len(ROWS) > 40
