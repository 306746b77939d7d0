"""Kubeconfig files, in JSON: every Kubernetes client reads it, and it needs no YAML library."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singletrack_cli.controlplane.certificates import Certificates

_NAME = "singletrack"


def for_admin(url: str, certificates: Certificates) -> dict[str, Any]:
    """Access with the administrator's certificate, which no RBAC rule limits."""
    return for_certificate(url, certificates, certificates.admin, certificates.admin_key)


def for_certificate(
    url: str, certificates: Certificates, certificate: Path, key: Path
) -> dict[str, Any]:
    """Access as whom the certificate names."""
    user = {
        "client-certificate-data": _encoded(certificate),
        "client-key-data": _encoded(key),
    }
    return _config(url, certificates, "default", user)


def for_token(url: str, certificates: Certificates, namespace: str, token: str) -> dict[str, Any]:
    """Access as a ServiceAccount of `namespace`, with what RBAC grants it."""
    return _config(url, certificates, namespace, {"token": token})


def write(path: Path, config: Mapping[str, Any]) -> None:
    """Write it so that others can neither read it nor see half of it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(config, indent=2) + "\n")
    draft.rename(path)


def _config(
    url: str, certificates: Certificates, namespace: str, user: Mapping[str, str]
) -> dict[str, Any]:
    cluster = {"server": url, "certificate-authority-data": _encoded(certificates.authority)}
    context = {"cluster": _NAME, "user": _NAME, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": dict(user)}],
        "contexts": [{"name": _NAME, "context": context}],
        "current-context": _NAME,
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
