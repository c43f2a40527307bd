"""Compose file, Dockerfile and lock files."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from service.settings import Settings
from tests.support.world import ROOT


def test_the_compose_file_is_valid() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.schema.json").read_text())
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert [e.message for e in Draft7Validator(schema).iter_errors(document)] == []
    assert {"stagebell", "rabbitmq", "postgres", "mail"} == set(document["services"])
    assert all("healthcheck" in s for s in document["services"].values())


def test_the_compose_file_survives_a_restart_and_names_its_versions() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["rabbitmq"]["hostname"] == "rabbitmq"  # its data lies under the node's name
    assert {s["restart"] for s in services.values()} == {"unless-stopped"}
    for service in services.values():
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service.get("image", ":1.0"))
        assert all(p.startswith("127.0.0.1:") for p in service.get("ports", ()))
    assert "127.0.0.1:5672:5672" in services["rabbitmq"]["ports"]  # README's publisher
    assert "/healthz" in str(services["stagebell"]["healthcheck"])


def test_the_secrets_of_the_compose_file_are_made_once(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/secrets.sh", tmp_path / "deploy")
    runs = []
    for _ in range(2):
        subprocess.run([tmp_path / "deploy/secrets.sh"], check=True, capture_output=True, timeout=30)
        runs.append({str(f.relative_to(tmp_path)): f.read_text() for f in (tmp_path / "secrets").iterdir()})
    made = runs[0]
    assert runs[1] == made
    assert {s["file"] for s in document["secrets"].values()} <= set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    said = {
        name.removeprefix("STAGEBELL_").removesuffix("_FILE").lower(): made[
            f"secrets/{value.rpartition('/')[2]}"
        ].strip()
        for name, value in document["services"]["stagebell"]["environment"].items()
        if name.endswith("_FILE")
    }
    settings = Settings(_env_file=None, **said)  # type: ignore[call-arg, arg-type]
    assert settings.database_url.startswith("postgresql+asyncpg://stagebell:")
    password = made["secrets/rabbitmq_password"].strip()
    assert password in settings.broker_url
    assert f"default_pass = {password}" in made["secrets/rabbitmq.conf"]


def test_the_dockerfile_runs_as_nobody_special_and_says_when_it_is_healthy() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("FROM ") == 2
    assert re.search(r"^USER stagebell$", text, re.M)
    # A broker's outage must not make an orchestrator end healthy processes.
    assert "/healthz" in text.partition("HEALTHCHECK")[2]
    assert all(re.search(r":\d+\.\d+\.\d+", line) for line in text.splitlines() if line.startswith("FROM "))


@pytest.mark.long
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
