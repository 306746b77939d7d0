"""Pods for tests: Python in the base image, without any privilege."""

from __future__ import annotations

import json
from typing import Any

from support.cluster.base_image import NAME as PYTHON


def python_pod(name: str, program: str, *, port: int | None = None) -> dict[str, Any]:
    """A pod that runs one Python program, as `restricted` pod security wants it."""
    container: dict[str, Any] = {
        "name": "python",
        "image": PYTHON,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", program],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if port is not None:
        probe = {"tcpSocket": {"port": port}, "periodSeconds": 1}
        container |= {"ports": [{"containerPort": port}], "readinessProbe": probe}
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": _DEFAULT}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": security,
            "containers": [container],
        },
    }


def service(name: str, port: int) -> dict[str, Any]:
    """In front of the pods of that name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }


def as_list(*objects: dict[str, Any]) -> str:
    """What `kubectl apply --filename=-` reads."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


_DEFAULT = {"type": "RuntimeDefault"}
