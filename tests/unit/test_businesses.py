"""Six businesses, written from docs/workflows.md alone: `check` has no word against them, and each lives a short life."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.workflows import packs
from service.workflows.durations import parse_duration
from service.workflows.lint_templates import channels_with_templates
from service.workflows.packs import Pack
from tests.support.events import NOON, event
from tests.support.family import Family
from tests.support.scenarios import PEOPLE
from tests.support.world import ROOT

BUSINESSES = sorted((ROOT / "tests/data/businesses").iterdir())
SHORT = "{{ brand }} {{ order.id }} {{ link }}\n"
MAIL = (
    "{% extends layout %}\n{% block subject %}{{ stage }}{% endblock %}\n{% block body %}{{ order.id }}{% endblock %}\n"
)
TEXTS = {"email": MAIL, "push": "{{ stage }}\n{{ order.id }}\n{{ link }}\n"}
OTHERS = {
    name: PEOPLE["customer"] | {"phone": f"+49301234560{n}"} for n, name in enumerate(("restaurant", "forwarder"))
}


def with_templates(business: Path, folder: Path) -> Pack:
    """The pack with the plainest words for each message that it needs, as `check` takes it."""
    home = folder / business.name
    home.mkdir()
    (home / "workflow.yaml").write_text((business / "workflow.yaml").read_text())
    (folder / "_layouts").symlink_to(ROOT / "templates/_layouts")
    (pack,) = packs.build_all(folder)
    workflow = pack.workflow
    for locale in workflow.locales:
        (home / locale).mkdir()
        for notice in (n for n in workflow.notices.values() if not n.free_text):
            for channel in channels_with_templates(workflow, notice):
                secret = f"{{{{ secrets.{notice.secret} }}}} " if notice.secret else ""
                text = TEXTS.get(channel, SHORT).replace("{{ order.id }}", secret + "{{ order.id }}", 1)
                (home / locale / f"{notice.name}.{channel}.j2").write_text(text)
    (loaded,) = packs.load_all(folder)
    return loaded


def said(workflow: str, step: dict[str, Any]) -> dict[str, Any]:
    """A step of a life as an event."""
    data = {k: _dated(v) for k, v in step.items() if k not in ("at", "order", "part_of", "people")}
    if step.get("people"):
        data["recipients"] = {"customer": PEOPLE["customer"], **OTHERS}
    if "part_of" in step:
        data["parent"] = {"workflow": workflow, "order_id": step["part_of"]}
    kind = "order.status_changed" if "status" in step else "order.updated"
    return event(step["order"], at=NOON + length(step["at"]), kind=kind, **{"workflow": workflow, **data})


def _dated(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("+") and value[-1] in "hm":
        return (NOON + length(value[1:])).isoformat()
    return {k: _dated(v) for k, v in value.items()} if isinstance(value, dict) else value


def length(text: str) -> timedelta:
    found: timedelta = timedelta(0) if text in ("0h", "0m") else parse_duration(text)
    return found


@pytest.mark.parametrize("business", BUSINESSES, ids=lambda b: b.name)
def test_a_business_is_written_and_lives(business: Path, tmp_path: Path) -> None:
    family = Family(with_templates(business, tmp_path))
    life = yaml.safe_load((business / "life.yaml").read_text())
    for step in life["steps"]:
        family.travel_to(NOON + length(step["at"]))
        assert family.refusal(said(business.name, step)) == "", step
    family.travel_to(NOON + length(life["until"]))
    lives = family.lives
    assert {name: lives[name].told for name in life["told"]} == life["told"]
    assert {name: family.status(name) for name in life["ends"]} == life["ends"]
    called = {n: [c.escalation.reason for c in x.escalations.values()] for n, x in lives.items() if x.escalations}
    assert called == life.get("called", {})
    published = {n: [e.detail["type"] for e in x.entries if e.kind == "event_published"] for n, x in lives.items()}
    assert {n: types for n, types in published.items() if types} == life.get("published", {})


def test_there_are_six() -> None:
    assert len(BUSINESSES) == 6
