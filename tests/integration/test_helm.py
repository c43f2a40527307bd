"""The Helm chart: its values, its templates and the committed renderings say the same, and Kubernetes would take them."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from service.parts import ROLES
from service.settings import Settings
from tests.support.helm import ALL, CHART, RENDERINGS, render, values
from tests.support.world import ROOT

KUBERNETES = ("1.27", "1.30", "1.33")
STOPS_WITHIN_S = 20  # docs/operating.md
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
NO_LOOKUP = {"keda.sh/v1alpha1"}  # not Kubernetes' own

# Values that the schema refuses.
WRONG: list[dict[str, Any]] = [
    {"settings": {"SECRET_KEY": "in the open"}},
    {"settings": {"MAX_SMS_PER_DAY": 1000000}},
    {"image": {"tag": "latest"}},
    {"secret": {"files": ["BROKER_URL"]}},
    {"deployments": {"core": {"roles": "intake,wep", "replicas": 1, "resources": {}}}},
    {"autoscalling": {}},
    {"disruptionBudget": {"maxUnavailable": 0}},
]


def documents(name: str) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all((ROOT / "deploy/helm" / name).read_text()) if d]


def pods(name: str) -> list[dict[str, Any]]:
    return [d["spec"]["template"]["spec"] for d in documents(name) if d["kind"] in ("Deployment", "Job")]


@pytest.mark.parametrize("name", RENDERINGS)
def test_the_committed_rendering_is_what_the_chart_says(name: str) -> None:
    committed = (ROOT / "deploy/helm" / name).read_text()
    assert committed == render(RENDERINGS[name]), "python -m tests.support.helm"
    assert "Helm itself has not rendered it" in committed


@pytest.mark.parametrize("name", RENDERINGS)
def test_kubernetes_would_take_it(name: str) -> None:
    for document in documents(name):
        if document["apiVersion"] not in NO_LOOKUP:
            for version in KUBERNETES:
                kubernetes_validate.validate(document, version, strict=True)


def test_the_validator_sees_mistakes() -> None:
    (first, *_) = documents("rendered.yaml")
    first["spec"]["replcas"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(first, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("more", RENDERINGS.values(), ids=list(RENDERINGS))
def test_the_values_fit_their_schema(more: dict[str, Any]) -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert list(Draft7Validator(SCHEMA).iter_errors(values(more))) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_values_that_would_do_harm_or_nothing_are_refused(wrong: dict[str, Any]) -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(values(wrong)))


def test_every_setting_in_it_is_one() -> None:
    for pod in pods("rendered-all.yaml"):
        (container,) = pod["containers"]
        for entry in container["env"]:
            name = entry["name"].removeprefix("STAGEBELL_").removesuffix("_FILE").lower()
            assert name in Settings.model_fields
            assert isinstance(entry["value"], str)
    hidden = re.findall(r"[A-Z_]{6,}", json.dumps(SCHEMA["properties"]["settings"]["propertyNames"]))
    assert {name.lower() for name in hidden} <= set(Settings.model_fields)


def test_all_roles_run_and_the_service_leads_to_the_one_with_pages() -> None:
    deployments = values({})["deployments"]
    assert {role for d in deployments.values() for role in d["roles"].split(",")} == set(ROLES)
    (service,) = [d for d in documents("rendered.yaml") if d["kind"] == "Service"]
    assert "web" in deployments[service["spec"]["selector"]["app.kubernetes.io/component"]]["roles"]


def test_pods_are_asked_started_and_ended_as_the_service_needs_it() -> None:
    for pod in pods("rendered-all.yaml"):
        # Else Kubernetes' own STAGEBELL_PORT and the like would be settings that nobody knows.
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        if container["name"] == "migrate":
            continue
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        drain = next(int(e["value"]) for e in container["env"] if e["name"] == "STAGEBELL_DRAIN_S")
        assert pod["terminationGracePeriodSeconds"] >= drain + STOPS_WITHIN_S
        ready = container["readinessProbe"]
        assert drain >= ready["periodSeconds"] * ready["failureThreshold"]


def test_the_schema_comes_before_the_replicas() -> None:
    (job,) = [d for d in documents("rendered.yaml") if d["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["stagebell", "migrate"]


def test_each_deployment_has_a_budget_and_the_scaled_one_no_number_of_its_own() -> None:
    everything = documents("rendered-all.yaml")
    named = {d["metadata"]["name"] for d in everything if d["kind"] == "Deployment"}
    assert {d["metadata"]["name"] for d in everything if d["kind"] == "PodDisruptionBudget"} == named
    (scaled,) = [d for d in everything if d["kind"] == "ScaledObject"]
    target = scaled["spec"]["scaleTargetRef"]["name"]
    (deployment,) = [d for d in everything if d["metadata"]["name"] == target and d["kind"] == "Deployment"]
    assert "replicas" not in deployment["spec"]
    assert [t["type"] for t in scaled["spec"]["triggers"]] == ["rabbitmq", "prometheus"]
    assert ALL["autoscaling"]["enabled"]


@pytest.mark.long
def test_helms_own_library_renders_the_same(tmp_path: Path) -> None:
    """Helm 4.2.3 by PyPI's `helm-python-sdk`, which carries Helm's Go code: same documents, same refusals."""
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "helm-python-sdk==0.2.2"]
    subprocess.run(fetch, check=True, cwd=tmp_path, capture_output=True, timeout=240)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    asked = json.dumps({"renderings": RENDERINGS, "wrong": WRONG})
    said = subprocess.run(
        [sys.executable, "-c", BY_HELM, str(CHART)],
        input=asked, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answer = json.loads(said.stdout)
    for name, texts in answer["rendered"].items():
        theirs = [d for text in texts for d in yaml.safe_load_all(text) if d]
        assert sorted(theirs, key=_name) == sorted(documents(name), key=_name)
    assert [why.splitlines()[0] for why in answer["refused"]] == [
        "values don't meet the specifications of the schema(s) in the following chart(s):"
    ] * len(WRONG)


# Runs in a process of its own: Helm's library brings Go's runtime with it.
BY_HELM = """
import json, sys
import helm_python as helm

asked = json.load(sys.stdin)
where = {"name": "stagebell", "namespace": "default"}
refused = []
with helm.Chart.load(sys.argv[1]) as chart:
    rendered = {n: list(chart.render(more, **where).values()) for n, more in asked["renderings"].items()}
    for values in asked["wrong"]:
        try:
            chart.render(values, **where)
            refused.append("it was taken")
        except helm.HelmValuesError as error:
            refused.append(str(error))
print(json.dumps({"rendered": rendered, "refused": refused}))
"""


def _name(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def test_each_queue_of_intake_can_scale() -> None:
    more = {**ALL, "autoscaling": {**ALL["autoscaling"], "moreQueues": ["stagebell.intake.1", "stagebell.intake.2"]}}
    (scaled,) = [d for d in yaml.safe_load_all(render(more)) if d and d["kind"] == "ScaledObject"]
    queues = [t["metadata"]["queueName"] for t in scaled["spec"]["triggers"] if t["type"] == "rabbitmq"]
    assert queues == ["stagebell.intake", "stagebell.intake.1", "stagebell.intake.2"]
