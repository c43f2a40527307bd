"""Compose file, Dockerfile and lock files."""

import json
import re
import subprocess

import yaml
from jsonschema import Draft7Validator

from tests.support.world import ROOT


def test_the_compose_file_is_valid() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.schema.json").read_text())
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert [e.message for e in Draft7Validator(schema).iter_errors(document)] == []
    assert {"stagebell", "rabbitmq", "postgres", "mail"} == set(document["services"])
    assert all("healthcheck" in s for s in document["services"].values())


def test_the_dockerfile_runs_as_nobody_special_and_says_when_it_is_healthy() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("FROM ") == 2
    assert re.search(r"^USER stagebell$", text, re.M)
    assert "HEALTHCHECK" in text


def test_what_the_dockerfile_runs_works_step_by_step() -> None:
    done = subprocess.run(
        [ROOT / "tests/support/docker-steps.sh"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "healthy, and stopped cleanly" in done.stdout


def test_lock_files_pin_everything_with_hashes() -> None:
    for name in ("run", "dev"):
        lines = (ROOT / f"requirements/{name}.lock").read_text().splitlines()
        pins = [line for line in lines if re.match(r"^[a-z0-9]", line)]
        assert len(pins) > 40
        assert all("==" in line for line in pins)
        assert "://" not in "".join(lines)


def test_every_metric_is_explained_to_operators() -> None:
    from prometheus_client import Counter
    from prometheus_client.metrics import MetricWrapperBase

    from service.telemetry import metrics

    text = (ROOT / "docs" / "operating.md").read_text()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + ("_total" if isinstance(metric, Counter) else "")
            assert f"`{name}`" in text, name
