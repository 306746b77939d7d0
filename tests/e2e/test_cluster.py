"""The cluster itself is a real one: what every other test of this folder takes for granted."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from e2e.conftest import Namespace
from e2e.pods import as_list, python_pod, service
from support.cluster import oci_archive
from support.cluster.errors import ClusterError
from support.cluster.oci_archive import Image
from support.cluster.running import Cluster
from support.waiting import wait_until

from singletrack_cli.controlplane import gomod

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_SERVER = """
import http.server
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello")
http.server.HTTPServer(("", 8080), Hello).serve_forever()
"""
_PRIVILEGES = """
import json, os, pathlib
try:
    pathlib.Path("/written").touch()
    root = "writable"
except OSError as error:
    root = error.strerror
lines = open("/proc/self/status").read().splitlines()
status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
print(json.dumps({"uid": os.getuid(), "root": root, "capabilities": status["CapEff"],
    "no new": status["NoNewPrivs"], "seccomp": status["Seccomp"]}))
"""


def test_the_node_is_ready_and_of_the_version_of_its_control_plane(cluster: Cluster) -> None:
    node = json.loads(cluster.kubectl("get", f"node/{cluster.layout.name}", "--output=json"))
    ready = {each["type"]: each["status"] for each in node["status"]["conditions"]}
    assert ready["Ready"] == "True"
    version = json.loads(cluster.kubectl("version", "--output=json"))["serverVersion"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == version["gitVersion"]


def test_a_restricted_pod_runs_and_has_no_privilege(namespace: Namespace) -> None:
    said = json.loads(_output_of(namespace, "restricted", _PRIVILEGES))
    assert said == {
        "uid": 10001,
        "root": "Read-only file system",
        "capabilities": "0000000000000000",
        "no new": "1",
        "seccomp": "2",
    }


def test_a_pod_that_wants_privileges_is_not_let_in(namespace: Namespace) -> None:
    pod = python_pod("privileged", "pass")
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        namespace.kubectl("apply", "--filename=-", stdin=json.dumps(pod))


def test_a_service_answers_the_machine_and_pods_that_know_its_name(namespace: Namespace) -> None:
    _start_server(namespace)
    address = namespace.kubectl("get", "service/web", "--output=jsonpath={.spec.clusterIP}")
    assert wait_until(lambda: _get(f"http://{address}:8080/"), timeout=60) == b"hello"
    urls = [f"http://web{domain}:8080/" for domain in _domains(namespace)]
    ask = f"import urllib.request as r; print([r.urlopen(u).read() for u in {urls!r}])"
    assert _output_of(namespace, "asking", ask) == repr([b"hello"] * 3)


def test_the_address_of_a_service_that_is_not_there_is_refused_at_once(cluster: Cluster) -> None:
    nobody = cluster.layout.services.replace("0/24", "200")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((nobody, 80), timeout=10)


def test_a_name_that_nobody_has_is_not_found(namespace: Namespace) -> None:
    ask = f"""
import socket
try:
    socket.getaddrinfo("nobody.{namespace.name}.svc.cluster.local", 80)
except socket.gaierror as error:
    print(error.errno == socket.EAI_NONAME)
"""
    assert _output_of(namespace, "asking", ask) == "True"


def test_commands_run_in_a_pod_through_the_kubelet(namespace: Namespace) -> None:
    _start_server(namespace)
    assert namespace.kubectl("exec", "web", "--", "echo", "inside").strip() == "inside"


def test_an_image_that_is_loaded_into_the_node_runs(namespace: Namespace, tmp_path: Path) -> None:
    layer, archive, name = tmp_path / "layer", tmp_path / "image.tar", "localhost/e2e/pause:7"
    pause = namespace.cluster.kit.programs.pods / "pause"
    oci_archive.layer_of(layer, {"/renamed": pause})
    image = Image(name=name, platform=gomod.target(), config={"Entrypoint": ["/renamed"]})
    oci_archive.write(archive, image, layer)
    namespace.cluster.import_image(archive)
    pod = python_pod("imported", "")
    container = pod["spec"]["containers"][0]
    del container["command"]
    container["image"] = name
    namespace.kubectl("apply", "--filename=-", stdin=json.dumps(pod))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/imported", "--timeout=60s")


def test_a_file_that_is_no_image_is_refused_with_the_reason(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "image.tar").write_bytes(b"no archive")
    with pytest.raises(ClusterError, match="was not imported"):
        cluster.import_image(tmp_path / "image.tar")


def test_a_component_that_is_killed_is_started_again_and_pods_go_on(namespace: Namespace) -> None:
    _start_server(namespace)
    cluster = namespace.cluster
    killed = cluster.component("kubelet")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: cluster.component("kubelet") not in {None, killed}, timeout=60)
    assert _output_of(namespace, "afterwards", "print('served')") == "served"
    restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}"
    assert namespace.kubectl("get", "pod/web", restarts) == "0"


def test_the_audit_log_knows_who_asked_for_what(namespace: Namespace) -> None:
    namespace.kubectl("get", "configmaps")
    lines = namespace.cluster.layout.audit_log.read_text().splitlines()
    asked = [json.loads(line) for line in lines if namespace.name in line]
    mine = [each for each in asked if each["user"]["username"] == "kubernetes-admin"]
    assert ("list", "configmaps") in {(e["verb"], e["objectRef"]["resource"]) for e in mine}


def test_helm_works_on_this_cluster_alone(namespace: Namespace) -> None:
    assert json.loads(namespace.cluster.helm("list", f"-n={namespace.name}", "-o=json")) == []
    assert namespace.cluster.helm("version", "--short").startswith("v4.")


def _start_server(namespace: Namespace) -> None:
    objects = as_list(python_pod("web", _SERVER, port=8080), service("web", 8080))
    namespace.kubectl("apply", "--filename=-", stdin=objects)
    namespace.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")


def _output_of(namespace: Namespace, name: str, program: str) -> str:
    """What the program prints in a pod; a pod that fails says so in its log."""
    pod = json.dumps(python_pod(name, program))
    namespace.kubectl("apply", "--filename=-", stdin=pod)
    phase = "--output=jsonpath={.status.phase}"
    ends = {"Succeeded", "Failed"}
    wait_until(lambda: namespace.kubectl("get", f"pod/{name}", phase) in ends, timeout=60)
    return namespace.kubectl("logs", name).strip()


def _domains(namespace: Namespace) -> list[str]:
    own = f".{namespace.name}"
    return ["", own, f"{own}.svc.cluster.local"]


def _get(url: str) -> bytes | None:
    """None while it is refused: the node knows a Service a moment after its pods are ready."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of the cluster
            return answer.read()
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ConnectionRefusedError):
            raise
        return None
