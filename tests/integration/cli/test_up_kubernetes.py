"""`singletrack up --kubernetes`: the private cluster, its accounts, and what it survives."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.up_process import Up
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user who has a kubeconfig already, of which nothing is known."""
    home = tmp_path_factory.mktemp("home")
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text("not even a kubeconfig")
    return home


@pytest.fixture(scope="module")
def up(programs: Binaries, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for all of this module: each test leaves it at work."""
    environ = {
        "KUBEBUILDER_ASSETS": str(programs.folder),
        "HOME": str(home),
        "KUBECONFIG": str(home / ".kube" / "config"),
    }
    up = Up(tmp_path_factory.mktemp("up"), "--kubernetes", **environ).ready()
    yield up
    up.interrupt()
    up.close()


def user_of(kubeconfig: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(kubeconfig).read_text())["users"][0]["user"]
    return found


def environ_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


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
    up.shell(MANIFEST.format(f"before-{part}"))
    pid = up.pid(part)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: up.pid(part) != pid, 30, f"another {part}")
    assert f"{part} has ended" in up.output
    assert "condition met" in up.shell(MANIFEST.format(f"after-{part}"))
    assert f"before-{part}" in up.shell("kubectl get taskruns.singletrack.dev")


def test_the_user_s_own_configuration_is_neither_read_nor_written(up: Up, home: Path) -> None:
    assert (home / ".kube" / "config").read_text() == "not even a kubeconfig"
    assert [path.name for path in (home / ".kube").iterdir()] == ["config"]
    assert up.state["kubeconfig"].startswith(str(up.folder))
