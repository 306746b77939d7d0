"""The chart on a server with a Redis user for each part."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from e2e.releases import Release, installed, make_place
from support.cluster.running import Cluster
from support.platform_images import VALKEY
from support.redis_servers import LOOKS
from support.waiting import wait_until

from singletrack.adapters.redis_ledger.roles import Role

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SERVER = "own-server"


@pytest.fixture(scope="module")
def admin(cluster: Cluster, images: None) -> Iterator[Any]:
    """A server of the user's own in the cluster, as its administrator sees it."""
    release, password = make_place(cluster), secrets.token_hex(12)
    release.kubectl("create", "--filename=-", stdin=json.dumps(_server(password)))
    release.kubectl("wait", f"pod/{SERVER}", "--for=condition=Ready", "--timeout=60s")
    words = ("get", f"service/{SERVER}", "--output=jsonpath={.spec.clusterIP}")
    address = release.kubectl(*words)
    with redis.Redis.from_url(
        f"redis://:{password}@{address}:6379", decode_responses=True
    ) as client:
        wait_until(client.ping, 30, "the server")
        yield client
    release.kubectl("delete", f"pod/{SERVER}", f"service/{SERVER}")


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, admin: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    release, folder = make_place(cluster), tmp_path_factory.mktemp("passwords")
    passwords = {role: secrets.token_hex(12) for role in Role}
    for role, password in passwords.items():
        (folder / role).write_text(password)
    make_users(admin, folder)
    urls = {
        role: f"redis://singletrack-{role}:{word}@{SERVER}:6379/0"
        for role, word in passwords.items()
    }
    told = (f"--from-literal={role}={url}" for role, url in urls.items())
    release.kubectl("create", "secret", "generic", "ledger-urls", *told)
    keys = {str(role): str(role) for role in Role}
    values = {"redis": {"existingSecret": "ledger-urls", "keys": keys}}
    with installed(release, folder, values):
        yield release


def make_users(admin: Any, passwords: Path) -> None:
    """As the how-to says: what the command line prints, done by an administrator."""
    command = [sys.executable, "-m", "singletrack_cli", "ledger", "users", "--passwords", passwords]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in printed.splitlines():
        assert admin.execute_command(*line.split())


def test_a_task_run_runs_and_no_part_wants_more_than_its_role_has(
    release: Release, admin: Any
) -> None:
    status = release.finished(release.create(task="dummy_task", params={"name": "Ann"}))
    assert (status["phase"], status["result"]) == ("Succeeded", "Hello Ann!")
    name = release.create(task="sleep_with_child")
    release.kubectl(
        "wait", f"strun/{name}", "--for=jsonpath={.status.phase}=Running", "--timeout=60s"
    )
    release.kubectl("delete", f"strun/{name}")
    assert release.finished(release.create(task="dummy_task"))["phase"] == "Succeeded"
    assert "Succeeded" in release.helm("test", "it", "--timeout=120s")
    assert {str(each["object"]) for each in admin.acl_log()} <= LOOKS


def test_nobody_but_the_administrator_is_the_default_user(release: Release, admin: Any) -> None:
    users = {client["user"] for client in admin.client_list() if client["addr"]}
    assert {"singletrack-api", "singletrack-operator", "singletrack-worker"} <= users
    assert users <= {"default", *(f"singletrack-{role}" for role in Role)}


def _server(password: str) -> dict[str, Any]:
    settings = ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction")
    container = {
        "name": "server",
        "image": VALKEY,
        "imagePullPolicy": "Never",
        "command": ["valkey-server"],
        "args": [*" ".join(settings).split(), "--dir", "/data", "--requirepass", password],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": SERVER, "labels": {"app": SERVER}},
        "spec": {
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVER},
        "spec": {"selector": {"app": SERVER}, "ports": [{"port": 6379}]},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [pod, service]}
