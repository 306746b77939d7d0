"""A server of the user's own in the cluster, that knows nothing of the chart."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from e2e.releases import Release
from support.platform_images import VALKEY
from support.waiting import wait_until

from singletrack.adapters.redis_ledger.roles import Role

SERVER = "own-server"


@dataclass(frozen=True)
class OwnServer:
    """As its administrator sees it; `url` is for those who are in the cluster."""

    admin: Any
    url: str


@contextmanager
def own_server(release: Release) -> Iterator[OwnServer]:
    """There as long as the block lasts."""
    password = secrets.token_hex(12)
    release.kubectl("create", "--filename=-", stdin=json.dumps(_server(password)))
    release.kubectl("wait", f"pod/{SERVER}", "--for=condition=Ready", "--timeout=60s")
    words = ("get", f"service/{SERVER}", "--output=jsonpath={.spec.clusterIP}")
    address = release.kubectl(*words)
    with redis.Redis.from_url(
        f"redis://:{password}@{address}:6379", decode_responses=True
    ) as client:
        wait_until(client.ping, 30, "the server")
        yield OwnServer(client, f"redis://:{password}@{SERVER}:6379/0")
    release.kubectl("delete", f"pod/{SERVER}", f"service/{SERVER}", "--ignore-not-found")


def make_users(admin: Any, folder: Path) -> list[str]:
    """As the how-to says: what the command line prints, done by an administrator.

    Answers what `kubectl create secret` makes their URLs of.
    """
    passwords = {role: secrets.token_hex(12) for role in Role}
    for role, password in passwords.items():
        (folder / role).write_text(password)
    command = [sys.executable, "-m", "singletrack_cli", "ledger", "users", "--passwords", folder]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in printed.splitlines():
        assert admin.execute_command(*line.split())
    return [
        f"--from-literal={role}=redis://singletrack-{role}:{word}@{SERVER}:6379/0"
        for role, word in passwords.items()
    ]


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
