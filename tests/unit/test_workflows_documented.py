"""docs/workflows.md: every key and filter has an example, and the examples are a pack that `check` has no word against."""

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from service.domain.events import Appointment
from service.simulator import simulator
from service.workflows import (
    lint_names,
    packs,
    schema,
    schema_acts,
    schema_asks,
    schema_conditions,
    schema_demo,
    schema_lists,
    schema_parts,
    schema_replies,
    schema_times,
    schema_tracking,
    templates,
)
from service.workflows.filters import FILTERS
from service.workflows.schema_words import YamlModel
from tests.support.world import ROOT

TEXT = (ROOT / "docs/workflows.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.S | re.M)]
WRITTEN = re.findall(r"^(\{\{.*\}\})\s+\{# (.*) #\}$", TEXT, re.M)
OURS = {"time", "date", "moment", "money", "number", "plural", "ordinal", "choose", "paragraphs"}
ALONE = {"sms": "{{ order.id }}\n", "whatsapp": "{{ order.id }}\n", "push": "{{ brand }}\n{{ order.id }}\n"}
MAIL = "{% extends layout %}\n{% block subject %}S{% endblock %}\n{% block body %}{{ order.id }}{% endblock %}\n"


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _merged(above: Any, below: Any) -> Any:
    return {**below, **{k: _merged(v, below.get(k, {})) if isinstance(v, dict) else v for k, v in above.items()}}


def _parts() -> list[type[YamlModel]]:
    found = [
        v
        for module in (
            schema,
            schema_acts,
            schema_asks,
            schema_conditions,
            schema_demo,
            schema_lists,
            schema_parts,
            schema_replies,
            schema_times,
            schema_tracking,
        )
        for v in vars(module).values()
    ]
    return [v for v in found if inspect.isclass(v) and issubclass(v, YamlModel) and v is not YamlModel]


@pytest.mark.parametrize("part", _parts(), ids=lambda part: part.__name__)
def test_every_key_has_an_example(part: type[YamlModel]) -> None:
    shown = {key for example in EXAMPLES for key in _keys(example)}
    assert {field.alias or name for name, field in part.model_fields.items()} <= shown


def test_every_key_of_a_demos_step_has_an_example() -> None:
    read = set(re.findall(r'step(?:\.get\(|\[)"(\w+)"|"(\w+)" in step', inspect.getsource(simulator)))
    (demo,) = [example["demo"] for example in EXAMPLES if "demo" in example]
    shown = {key for scenario in demo["scenarios"] for step in scenario["steps"] for key in step}
    assert {a or b for a, b in read} <= shown
    assert len(read) > 8


def _channels(said: list[Any]) -> Iterator[str]:
    for one in said:
        if isinstance(one, str):
            yield one
        else:
            yield from _channels(one["channels"] if "channels" in one else [one["channel"]])


def _whole(folder: Path) -> Path:
    """All examples as one pack; what they name and leave out is declared in the plainest way."""
    pack: dict[str, Any] = {}
    for example in EXAMPLES:
        pack = _merged(example, pack)
    pack["running_orders"]["rename"] = {"old_status": "created"}
    # Names that the examples use without declaring them.
    for _ in range(4):
        read = schema.WorkflowYaml.model_validate(pack)
        for _path, kind, name, known in lint_names.references(read):
            if name in known:
                continue
            title = {"title": {"en": name}}
            plain = {"notice": {"channels": ["sms"]}, "stage": title, "status": {"stage": "received"},
                     "reason": {"team": "vendor_ops", **title}, "team": {"title": name}}  # fmt: skip
            pack[{"status": "statuses"}.get(kind, f"{kind}s")].setdefault(name, plain[kind])
    steps = pack["transitions"]
    steps["path"] = [name for name in pack["statuses"] if not pack["statuses"][name].get("final")] + [
        "completed_at_last"
    ]
    pack["statuses"]["completed_at_last"] = {"stage": "done", "final": True}
    steps["from_any"] = [name for name, status in pack["statuses"].items() if status.get("final")]
    home = folder / pack["workflow"]
    (home / "en").mkdir(parents=True)
    (folder / "_layouts").mkdir()
    for layout in (ROOT / "templates/_layouts").iterdir():
        (folder / "_layouts" / layout.name).write_text(layout.read_text())
    (home / "workflow.yaml").write_text(yaml.safe_dump(pack, sort_keys=False))
    for name, notice in pack["notices"].items():
        channels = [*_channels(notice["channels"])]
        channels += [c for b in pack["brands"].values() for c in b["notices"].get(name, {}).get("channels", [])]
        for channel in {*channels, *(pack["fallback"].get(c) for c in channels)} - {
            None,
            "webhook",
        }:
            (home / "en" / f"{name}.{channel}.j2").write_text(MAIL if channel == "email" else ALONE[channel])
    return folder


def test_the_examples_are_a_pack_that_check_accepts_and_that_renders(tmp_path: Path) -> None:
    built, problems = packs.inspect(_whole(tmp_path))
    assert [str(p).rpartition("/")[2] for p in problems] == []
    (pack,) = built
    assert {"arrived", "insured", "regional"} <= set(pack.workflow.clocks)


@pytest.mark.parametrize(("written", "reads"), WRITTEN)
def test_filters_write_what_the_page_says(written: str, reads: str, tmp_path: Path) -> None:
    (tmp_path / "pack/en").mkdir(parents=True)
    (tmp_path / "pack/en/n.whatsapp.j2").write_text(written)
    at = datetime(2026, 11, 23, 10, 25, tzinfo=UTC)
    starts = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    values = {
        "locale": "en", "zone": ZoneInfo("Asia/Kolkata"), "brand": "Cedar", "eta": at, "note": "Ring twice.",
        "appointment": Appointment(starts, starts + timedelta(hours=2)), "price": {"amount": "12500.00", "currency": "INR"},
        "attributes": {
            "distance": Decimal("1234.5"), "quote_expires": date(2026, 12, 27), "boxes": 3, "visits": 2, "gender": "female",
        },
    }  # fmt: skip
    said = templates.PackTemplates(tmp_path / "pack").render("en", "n", "whatsapp", values).text
    assert re.sub(r"\s", " ", said) == reads


def test_every_filter_of_ours_is_on_the_page() -> None:
    assert {name for written, _ in WRITTEN for name in re.findall(r"\| (\w+)", written)} >= OURS
    assert set(FILTERS) == OURS
    names = TEXT[TEXT.index("Templates get `brand") :]
    assert all(re.search(rf"\b{name}\b", names[:400]) for name in templates.NAMES)
