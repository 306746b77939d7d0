"""The cluster: weak points planted on a real API server; and a whole local platform is sound."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.cli.doctor.planting import Patient, only
from integration.cli.up_process import ROOT, StartUp, command_environ

from singletrack.adapters.kubernetes.reviewing import operator_rights
from singletrack.findings import Finding, Severity
from singletrack.scope import EVERYWHERE
from singletrack_cli.controlplane import Binaries, ControlPlane
from singletrack_cli.doctor.facts import Target

pytestmark = pytest.mark.kubernetes

WITHOUT_A_WORKER = {"workers", "tasks"}
CRD = ROOT / "k8s" / "crd.yaml"
RIGHTS = ROOT / "k8s" / "operator-rbac.yaml"


class Furnished:
    """An API server whose administrator does what a test says."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def kubectl(self, *words: str, stdin: str = "") -> str:
        command = [str(self.plane.programs.kubectl), "--kubeconfig", str(self.plane.kubeconfig)]
        done = subprocess.run(
            [*command, *words], input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def furnish(self) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
        self.kubectl("apply", "-f", str(RIGHTS))
        self.kubectl("wait", "--for=condition=Established", "crd/taskruns.singletrack.dev")

    def change_definition(self, patch: list[Mapping[str, Any]]) -> None:
        name = "crd/taskruns.singletrack.dev"
        self.kubectl("patch", name, "--type=json", "-p", json.dumps(patch))


@pytest.fixture(scope="module")
def one_cluster(
    programs: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Furnished]:
    folder = tmp_path_factory.mktemp("doctor-control-plane")
    with ControlPlane.start(programs, folder, durable=False) as plane:
        yield Furnished(plane)


@pytest.fixture
def cluster(one_cluster: Furnished) -> Furnished:
    """As `kubectl apply` leaves it."""
    one_cluster.furnish()
    return one_cluster


async def findings(
    patient: Patient, kubeconfig: Path, **target: Any
) -> Mapping[str, tuple[Finding, ...]]:
    diagnosis = await patient.diagnose(
        Target(kubeconfig=kubeconfig, watch_seconds=0.2, seconds=30, **target)
    )
    return {
        each.name: each.findings
        for each in diagnosis.checked
        if each.findings and each.name not in WITHOUT_A_WORKER
    }


async def test_a_furnished_cluster_has_no_finding(patient: Patient, cluster: Furnished) -> None:
    assert await findings(patient, cluster.plane.kubeconfig) == {}


async def test_the_operators_own_kubeconfig_is_reviewed_as_itself(
    patient: Patient, cluster: Furnished
) -> None:
    own = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-operator")
    found = only(await findings(patient, own), "resource", Severity.INFO)
    assert "may not read the definition" in found.problem


async def test_no_definition(patient: Patient, cluster: Furnished) -> None:
    cluster.kubectl("delete", "crd", "taskruns.singletrack.dev", "--wait")
    found = only(await findings(patient, cluster.plane.kubeconfig), "resource", Severity.ERROR)
    assert "does not know TaskRuns" in found.problem
    assert "kubectl apply --server-side -f k8s/crd.yaml" in found.remedy


async def test_a_definition_of_another_release(patient: Patient, cluster: Furnished) -> None:
    spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    cluster.change_definition([{"op": "remove", "path": f"{spec}/priority/description"}])
    found = only(await findings(patient, cluster.plane.kubeconfig), "resource", Severity.WARNING)
    assert "priority.description" in found.problem


async def test_a_definition_with_a_field_we_do_not_know(
    patient: Patient, cluster: Furnished
) -> None:
    spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    cluster.change_definition([{"op": "add", "path": f"{spec}/later", "value": {"type": "string"}}])
    found = only(await findings(patient, cluster.plane.kubeconfig), "resource", Severity.WARNING)
    assert "properties.later" in found.problem


async def test_a_verb_the_operator_lacks(patient: Patient, cluster: Furnished) -> None:
    [role] = (
        each
        for each in yaml.safe_load_all(RIGHTS.read_text())
        if each["kind"] == "ClusterRole" and each["metadata"]["name"] == "singletrack-operator"
    )
    role["rules"][0]["verbs"].remove("watch")
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(role))
    found = only(await findings(patient, cluster.plane.kubeconfig), "rights", Severity.ERROR)
    assert "singletrack-operator may not watch taskruns" in found.problem
    assert "kubectl apply -f k8s/operator-rbac.yaml" in found.remedy


async def test_a_context_that_is_not_there(patient: Patient, cluster: Furnished) -> None:
    found = await findings(patient, cluster.plane.kubeconfig, context="elsewhere")
    assert "'elsewhere'" in only(found, "cluster", Severity.ERROR).problem


def test_what_is_reviewed_is_what_the_manifest_grants() -> None:
    roles = [
        each
        for each in yaml.safe_load_all(RIGHTS.read_text())
        if each["kind"] == "ClusterRole"
        and each["metadata"]["name"] in ("singletrack-operator", "singletrack-operator-cluster")
    ]
    granted = {
        (verb, group, resource)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        (right.verb, right.group, "/".join(filter(None, (right.resource, right.subresource))))
        for right in operator_rights(EVERYWHERE)
    }


def test_a_whole_local_platform_is_sound(start_up: StartUp, programs: Binaries) -> None:
    up = start_up("--kubernetes").ready()
    done = subprocess.run(
        [sys.executable, "-m", "singletrack_cli", "doctor"],
        env={
            **command_environ(),
            "REDIS_URL": up.state["redis"],
            "SINGLETRACK_KUBECONFIG": up.state["kubeconfig"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.split("\n\n")[0].splitlines()
    assert all(line.startswith("ok ") for line in lines), done.stdout
    assert len(lines) == 15
    assert done.stdout.endswith("\nSound.\n")
    assert done.returncode == 0, done.stderr
    assert up.interrupt() == 0
