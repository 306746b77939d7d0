"""`singletrack up --kubernetes`: the private cluster, its accounts, and its end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from integration.cli.up_process import StartUp, Up
from support.waiting import wait_until

from singletrack_cli.controlplane import Binaries

pytestmark = pytest.mark.kubernetes

MANIFEST = """kubectl create -f - <<EOF
apiVersion: singletrack.dev/v1alpha1
kind: TaskRun
metadata: {{name: {0}}}
spec: {{task: dummy_task}}
EOF
kubectl wait --for=condition=Succeeded taskruns.singletrack.dev/{0} --timeout=30s
"""


@pytest.fixture
def up(start_up: StartUp, programs: Binaries) -> Up:
    return start_up("--kubernetes", KUBEBUILDER_ASSETS=str(programs.folder)).ready()


def user_of(kubeconfig: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(kubeconfig).read_text())["users"][0]["user"]
    return found


def environ_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_kubectl_runs_tasks_and_nothing_is_left(up: Up) -> None:
    assert "condition met" in up.shell(MANIFEST.format("one"))
    servers = [up.pid("etcd"), up.pid("kube-apiserver")]
    assert up.interrupt() == 0
    assert up.left_over() == []
    assert [pid for pid in servers if Path(f"/proc/{pid}").exists()] == []


def test_operator_and_api_have_accounts_of_their_own_and_the_worker_has_none(up: Up) -> None:
    for part in ("operator", "api"):
        config = environ_of(up.pid(part))["SINGLETRACK_KUBECONFIG"]
        assert set(user_of(config)) == {"token"}
        assert config != up.state["kubeconfig"]
    assert "SINGLETRACK_KUBECONFIG" not in environ_of(up.pid("worker"))
    assert "client-certificate-data" in user_of(up.state["kubeconfig"])


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "operator"])
def test_a_part_of_the_cluster_that_is_killed_comes_back_with_its_objects(
    up: Up, part: str
) -> None:
    up.shell(MANIFEST.format("before"))
    pid = up.pid(part)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: up.pid(part) != pid, 30, f"another {part}")
    assert f"{part} has ended" in up.output
    assert "condition met" in up.shell(MANIFEST.format("after"))
    assert "before" in up.shell("kubectl get taskruns.singletrack.dev")


def test_the_user_s_own_configuration_is_neither_read_nor_written(
    start_up: StartUp, programs: Binaries, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    theirs = home / ".kube" / "config"
    theirs.write_text("not even a kubeconfig")
    environ = {"HOME": str(home), "KUBECONFIG": str(theirs)}
    up = start_up("--kubernetes", KUBEBUILDER_ASSETS=str(programs.folder), **environ).ready()
    assert theirs.read_text() == "not even a kubeconfig"
    assert [path.name for path in (home / ".kube").iterdir()] == ["config"]
    up.interrupt()
