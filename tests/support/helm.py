"""Renders the part of Helm's template language that our chart uses, for machines without Helm; fails on anything else.

`python -m tests.support.helm` writes deploy/helm/rendered.yaml and rendered-all.yaml. Helm is authoritative: if
available, `helm template stagebell deploy/helm/stagebell` should render the same documents.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.world import ROOT

CHART: Final = ROOT / "deploy/helm/stagebell"
HEAD: Final = "# Made by `python -m tests.support.helm` from deploy/helm/stagebell; Helm itself has not rendered it.\n"
# All optional features, for the second rendering.
ALL: Final[Mapping[str, Any]] = {
    "autoscaling": {"enabled": True, "prometheus": "http://prometheus.monitoring:9090"},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "orders-tls"},
}
RENDERINGS: Final = {"rendered.yaml": {}, "rendered-all.yaml": ALL}
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\(|\)|\||[^\s()|]+')
Scope = dict[str, Any]


def render(more: Mapping[str, Any], release: str = "stagebell") -> str:
    """The chart's documents with its values and `more`."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    root = {"Values": values(more), "Release": {"Name": release}, "Chart": {"AppVersion": chart["appVersion"]}}
    parts = []
    for file in sorted((CHART / "templates").glob("*.yaml")):
        said = "".join(_run(_tokens(file.read_text()), {".": root, "$": root}, live=True)).strip().removeprefix("---")
        parts += [said.strip()] if said.strip() else []
    return HEAD + "---\n" + "\n---\n".join(parts) + "\n"


def values(more: Mapping[str, Any]) -> Any:
    """The chart's values, overridden by `more`."""
    return _over(yaml.safe_load((CHART / "values.yaml").read_text()), more)


def _over(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{k: _over(below.get(k), v) for k, v in above.items()}}


def _tokens(text: str) -> list[tuple[str, str]]:
    """Texts and actions alternately; a `-` trims the blanks on its side."""
    tokens, at, eat = [], 0, False
    for action in re.finditer(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", text, re.DOTALL):
        between = text[at : action.start()]
        between = between.lstrip() if eat else between
        tokens += [("text", between.rstrip() if action[1] else between), ("action", action[2])]
        at, eat = action.end(), bool(action[3])
    return [*tokens, ("text", text[at:].lstrip() if eat else text[at:])]


def _run(tokens: list[tuple[str, str]], scope: Scope, *, live: bool) -> Iterator[str]:
    i = 0
    while i < len(tokens):
        kind, text = tokens[i]
        head, _, rest = text.partition(" ")
        if kind == "text":
            yield text if live else ""
        elif head in ("if", "range"):
            end = _end(tokens, i)
            body = tokens[i + 1 : end]
            for inner in _scopes(head, rest, scope):
                yield from _run(body, inner, live=live)
            i = end
        else:
            yield _text(_value(text, scope))
        i += 1


def _end(tokens: list[tuple[str, str]], start: int) -> int:
    depth = 0
    for i in range(start, len(tokens)):
        kind, text = tokens[i]
        if kind == "action":
            depth += text.startswith(("if ", "range ")) - (text == "end")
            if depth == 0:
                return i
    raise ValueError("an `if` or `range` without an end")


def _scopes(head: str, rest: str, scope: Scope) -> Iterator[Scope]:
    """The scopes of a block: one if true, or one for each value; maps are sorted by key, as in Helm."""
    if head == "if":
        yield from [scope] if _value(rest, scope) else []
        return
    names, _, expression = rest.partition(":=")
    over = _value(expression, scope)
    keys = sorted(over) if isinstance(over, Mapping) else range(len(over))
    for key in keys:
        pair = [key, over[key]]
        given = [n.strip() for n in names.split(",")]
        yield {**scope, ".": over[key], **dict(zip(given, pair[-len(given) :], strict=True))}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(expression: str, scope: Scope) -> Any:
    words = _WORD.findall(expression)
    value = _pipeline(words, scope)
    if words:
        raise ValueError(f"not understood: {expression}")
    return value


def _pipeline(words: list[str], scope: Scope) -> Any:
    value = _call(words, scope, [])
    while words and words[0] == "|":
        words.pop(0)
        value = _call(words, scope, [value])
    return value


def _call(words: list[str], scope: Scope, piped: list[Any]) -> Any:
    found = []
    while words and words[0] not in ("|", ")"):
        word = words.pop(0)
        if word == "(":
            found.append(_pipeline(words, scope))
            words.pop(0)
        else:
            found.append(_operand(word, scope))
    arguments = [*found[1:], *piped]
    match found[0]:
        case ("call", "quote"):
            return json.dumps(_text(arguments[0]))
        case ("call", "not"):
            return not arguments[0]
        case ("call", "and"):
            return all(arguments)
        case ("call", "eq"):
            return arguments[0] == arguments[1]
        case ("call", "toYaml"):
            return yaml.safe_dump(arguments[0], default_flow_style=False).rstrip()
        case ("call", "nindent"):
            return "\n" + "\n".join(" " * arguments[0] + line for line in str(arguments[1]).splitlines())
        case _ if arguments:
            raise ValueError(f"not understood: {found}")
    return found[0]


def _operand(word: str, scope: Scope) -> Any:
    if word.startswith('"'):
        return json.loads(word)
    if word.isdigit():
        return int(word)
    if word in ("quote", "not", "and", "eq", "toYaml", "nindent"):
        return ("call", word)
    head, *path = word.split(".")
    value = scope[head or "."]
    for step in path:
        value = value[step]  # an unknown name is an error here
    return value


def main() -> None:
    """Write the renderings."""
    for name, more in RENDERINGS.items():
        Path(ROOT / "deploy/helm" / name).write_text(render(more))


if __name__ == "__main__":
    main()
