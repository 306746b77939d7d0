"""A real etcd and kube-apiserver: started, used with rights and without, ended, and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from support import control_plane
from support.waiting import wait_until

from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.errors import RequestRefused, StartFailed
from singletrack_cli.controlplane.server import ControlPlane

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def programs() -> Binaries:
    return control_plane.programs()


@pytest.fixture(scope="module")
def plane(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane.start(programs, folder, durable=False) as running:
        yield running


def test_it_is_ready_when_start_returns(plane: ControlPlane) -> None:
    namespaces = plane.client.request("GET", "/api/v1/namespaces")
    names = {each["metadata"]["name"] for each in namespaces["items"]}
    assert {"default", "kube-system"} <= names
    assert plane.client.is_ready()


def test_its_kubectl_does_what_a_user_does(plane: ControlPlane) -> None:
    assert "created" in _kubectl(plane, plane.kubeconfig, "create", "namespace", "by-kubectl")
    assert _kubectl(plane, plane.kubeconfig, "auth", "can-i", "*", "*").strip() == "yes"


def test_client_and_server_are_of_one_version(plane: ControlPlane) -> None:
    said = json.loads(_kubectl(plane, plane.kubeconfig, "version", "--output=json"))
    assert said["clientVersion"]["gitVersion"] == said["serverVersion"]["gitVersion"]


def test_a_fresh_service_account_may_do_nothing(plane: ControlPlane) -> None:
    config = plane.service_account_kubeconfig("apps", "fresh")
    assert config.stat().st_mode & 0o777 == 0o600
    whoami = _kubectl(plane, config, "auth", "whoami", "--output=jsonpath={.status.userInfo}")
    assert json.loads(whoami)["username"] == "system:serviceaccount:apps:fresh"
    refused = _run_kubectl(plane, config, "get", "configmaps")
    assert refused.returncode != 0
    assert "forbidden" in refused.stderr


def test_a_service_account_may_do_what_a_role_grants_it(plane: ControlPlane) -> None:
    config = plane.service_account_kubeconfig("apps", "reader")
    rights = ["--verb=get,list", "--resource=configmaps"]
    subject = "--serviceaccount=apps:reader"
    for command in (
        ["create", "role", "reader", "--namespace=apps", *rights],
        ["create", "rolebinding", "reader", "--namespace=apps", "--role=reader", subject],
    ):
        _kubectl(plane, plane.kubeconfig, *command)
    _kubectl(plane, config, "get", "configmaps")
    assert "forbidden" in _run_kubectl(plane, config, "get", "secrets").stderr


def test_asking_again_gives_another_token_of_the_same_account(plane: ControlPlane) -> None:
    first = plane.service_account_kubeconfig("apps", "twice").read_text()
    assert plane.service_account_kubeconfig("apps", "twice").read_text() != first


def test_who_brings_no_credentials_is_turned_away(plane: ControlPlane) -> None:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(plane.url.removeprefix("https://"), context=anybody)
    with closing(connection):
        connection.request("GET", "/api")
        assert connection.getresponse().status == HTTPStatus.UNAUTHORIZED


def test_a_refusal_carries_status_and_reason(plane: ControlPlane) -> None:
    with pytest.raises(RequestRefused) as refused:
        plane.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    assert (refused.value.status, refused.value.reason) == (HTTPStatus.CONFLICT, "AlreadyExists")


def test_the_store_listens_on_no_port(plane: ControlPlane) -> None:
    assert _listening(plane.etcd.pid) == 0
    assert _listening(plane.apiserver.pid) == 1


def test_a_folder_in_use_is_refused(plane: ControlPlane, programs: Binaries) -> None:
    with pytest.raises(StartFailed, match="Another control plane runs in"):
        ControlPlane.start(programs, plane.kubeconfig.parent)


def test_the_api_server_can_go_away_and_come_back_on_its_port(plane: ControlPlane) -> None:
    url = plane.url
    plane.stop_apiserver()
    assert not plane.client.is_ready()
    plane.start_apiserver()
    assert plane.url == url
    assert plane.client.is_ready()


def test_a_folder_used_before_keeps_objects_certificates_and_address(
    programs: Binaries, tmp_path: Path
) -> None:
    with ControlPlane.start(programs, tmp_path / "data") as first:
        first.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
        config = first.kubeconfig.read_text()
    assert first.etcd.ended
    assert first.apiserver.ended
    with ControlPlane.start(programs, tmp_path / "data") as second:
        second.client.request("GET", "/api/v1/namespaces/kept")
        assert second.kubeconfig.read_text() == config


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    programs: Binaries, tmp_path: Path
) -> None:
    (tmp_path / "etcd").write_text("not a folder")
    with pytest.raises(StartFailed, match=r"etcd ended with code 1; the end of .*etcd\.log:\n  "):
        ControlPlane.start(programs, tmp_path)


def test_a_server_that_is_not_ready_in_time_is_ended(programs: Binaries, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="was not ready within 0 s"):
        ControlPlane.start(programs, tmp_path, deadline=timedelta(milliseconds=100))
    assert _processes_in(tmp_path) == []


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    with _command(tmp_path) as parent:
        _first_line(parent)
        assert len(_processes_in(tmp_path)) == 2
        parent.kill()
    wait_until(lambda: _processes_in(tmp_path) == [])


def test_the_command_prints_the_kubeconfig_and_ends_in_order(tmp_path: Path) -> None:
    with _command(tmp_path) as parent:
        assert _first_line(parent) == str(tmp_path / "kubeconfig")
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(30) == 0
    assert _processes_in(tmp_path) == []


def test_the_command_ends_with_an_error_when_a_server_dies(tmp_path: Path) -> None:
    with _command(tmp_path) as parent:
        _first_line(parent)
        os.kill(_processes_in(tmp_path)[0], signal.SIGKILL)
        assert parent.wait(30) == 1
    assert _processes_in(tmp_path) == []


def _kubectl(plane: ControlPlane, config: Path, *arguments: str) -> str:
    answer = _run_kubectl(plane, config, *arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def _run_kubectl(
    plane: ControlPlane, config: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = [str(plane.programs.kubectl), f"--kubeconfig={config}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _command(data: Path) -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "singletrack_cli.controlplane", "run", "--no-fsync"]
    return subprocess.Popen(
        [*command, f"--data={data}"], env=environ, stdout=subprocess.PIPE, text=True
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _processes_in(folder: Path) -> list[int]:
    """The servers that run with `folder` as their working directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue  # it has just ended, or is not ours
    return found


def _listening(pid: int) -> int:
    """How many TCP sockets the process listens on."""
    tables = [Path("/proc", str(pid), "net", name) for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table.read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    opened = {str(each.readlink()) for each in Path("/proc", str(pid), "fd").iterdir()}
    return len(listening & opened)
