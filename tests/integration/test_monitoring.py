"""deploy/prometheus and deploy/grafana: the alert rules fire when they should, and every metric in both exists."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from service.telemetry import metrics
from tests.support.world import ROOT

RULES = ROOT / "deploy/prometheus/stagebell.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/stagebell.json"
SERIES = re.compile(r"\b(stagebell_[a-z_]+)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"by \(([^)]*)\)")
ADDED = {"le", "instance", "job"}  # by Prometheus itself


def _exposed() -> dict[str, set[str]]:
    """Every series that /metrics can show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}[
                str(metric._type)
            ]
            found |= {metric._name + ending: set(metric._labelnames) for ending in endings}
    return found


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def _expressions() -> list[str]:
    return [r["expr"] for r in _rules()] + [t["expr"] for p in _panels() for t in p["targets"]]


@pytest.mark.parametrize("expression", _expressions())
def test_every_series_and_label_exists(expression: str) -> None:
    exposed = _exposed()
    used = SERIES.findall(expression)
    assert used
    labels: set[str] = set()
    for name, selected in used:
        assert name in exposed, name
        labels |= exposed[name]
        assert set(re.findall(r"(\w+)\s*[=!]", selected)) <= exposed[name] | ADDED
    for grouped in GROUPED.findall(expression):
        assert {g.strip() for g in grouped.split(",")} <= labels | ADDED, grouped


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for expression in _expressions() for name, _ in SERIES.findall(expression)}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            assert any(name.startswith(metric._name) for name in shown), metric._name


def test_the_dashboard_fits_its_grid() -> None:
    panels = _panels()
    assert len({p["id"] for p in panels}) == len(panels)
    places = [p["gridPos"] for p in panels]
    assert all(g["x"] + g["w"] <= 24 for g in places)
    assert len({(g["x"], g["y"]) for g in places}) == len(panels)


def test_every_alert_says_what_to_do() -> None:
    for rule in _rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "action"} == set(rule["annotations"]), rule["alert"]


def test_what_operators_are_told_to_alert_on_is_alerted_on() -> None:
    rows = re.findall(r"^\| `(stagebell_\w+)`.*\| ([^|]*) \|$", (ROOT / "docs/operating.md").read_text(), re.M)
    told = {name for name, when in rows if when.strip() and "your own" not in when}
    alerted = " ".join(r["expr"] for r in _rules())
    assert {name for name in told if name not in alerted} == set()


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "stagebell.rules.yml"), ("test", "rules", "stagebell.test.yml")]
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
