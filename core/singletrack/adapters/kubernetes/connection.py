"""Where the API server is and how we prove who we are: from a kubeconfig, or from inside a pod."""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singletrack.errors import ConfigurationError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REREAD_SECONDS = 60.0


class Token:
    """A bearer token; one from a file is read again every minute, because kubelets rotate it."""

    def __init__(self, text: str = "", file: Path | None = None) -> None:
        self._text = text
        self._file = file
        self._read_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._text or self._file)

    def current(self) -> str:
        if self._file is not None and time.monotonic() - self._read_at > _REREAD_SECONDS:
            self._text = self._file.read_text().strip()
            self._read_at = time.monotonic()
        return self._text

    def forget(self) -> None:
        """The server did not take it: read the file again next time."""
        self._read_at = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything needed to speak to one API server."""

    server: str
    namespace: str = "default"
    ssl_context: ssl.SSLContext | None = None
    """None for plain HTTP, as behind `kubectl proxy`."""
    token: Token


def find(kubeconfig: str = "", environ: Mapping[str, str] | None = None) -> Connection:
    """The kubeconfig that is named, else the pod's own account; never a context by accident.

    Raises:
        ConfigurationError: there is neither, or it needs what is not supported; says which.
    """
    environ = os.environ if environ is None else environ
    if kubeconfig:
        return from_kubeconfig(Path(kubeconfig))
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return from_pod(environ)
    raise ConfigurationError(
        "no Kubernetes API server is configured: set SINGLETRACK_KUBECONFIG to a kubeconfig file, "
        "or run in a pod with a ServiceAccount token"
    )


def from_pod(environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Connection:
    """What the kubelet mounts into every pod."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{host}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}",
        namespace=(folder / "namespace").read_text().strip(),
        ssl_context=ssl.create_default_context(cafile=str(folder / "ca.crt")),
        token=Token(file=folder / "token"),
    )


def from_kubeconfig(path: Path, context: str = "") -> Connection:
    """A context of a kubeconfig file, JSON or YAML; the current one if none is named."""
    try:
        return _in_context(_parse(path), context, path)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: a certificate or key is no good: {error}") from error
    except KeyError as error:
        raise ConfigurationError(f"{path}: an entry has no {error}") from error


def _in_context(config: Mapping[str, Any], name: str, path: Path) -> Connection:
    name = name or config.get("current-context", "")
    context = _named(config, "contexts", name, path)["context"]
    cluster = _named(config, "clusters", context["cluster"], path)["cluster"]
    user = _named(config, "users", context["user"], path).get("user") or {}
    for unsupported in ("exec", "auth-provider", "username"):
        if unsupported in user:
            raise ConfigurationError(
                f"{path}: the user {context['user']!r} logs in by {unsupported!r}, which is not "
                "supported; use a ServiceAccount token or a client certificate"
            )
    secure = cluster["server"].startswith("https")
    return Connection(
        server=cluster["server"].rstrip("/"),
        namespace=context.get("namespace") or "default",
        ssl_context=_ssl_context(cluster, user, path.parent) if secure else None,
        token=_token(user, path.parent),
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigurationError(f"the kubeconfig cannot be read: {error}") from error
    try:
        found = json.loads(text)  # as `singletrack up` writes it; spares us a YAML library
    except ValueError:
        found = _parse_yaml(text, path)
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is not a kubeconfig")
    return found


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigurationError(
            f"{path} is YAML, which needs the package pyyaml: install singletrack[operator], or "
            "convert it: kubectl config view --raw -o json"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error


def _named(config: Mapping[str, Any], kind: str, name: str, path: Path) -> dict[str, Any]:
    for entry in config.get(kind) or ():
        if entry.get("name") == name:
            return dict(entry)
    raise ConfigurationError(f"{path} has no entry {name!r} among its {kind}")


def _ssl_context(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path
) -> ssl.SSLContext:
    with ExitStack() as held:
        authority = _file(cluster, "certificate-authority", folder, held)
        context = ssl.create_default_context(cafile=authority)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = _file(user, "client-certificate", folder, held)
        if certificate:
            context.load_cert_chain(certificate, _file(user, "client-key", folder, held))
    return context


def _file(entry: Mapping[str, Any], name: str, folder: Path, held: ExitStack) -> str | None:
    """The file an entry names, or a short-lived one with the data it holds itself."""
    if data := entry.get(f"{name}-data"):
        file = held.enter_context(tempfile.NamedTemporaryFile(buffering=0))  # noqa: SIM115
        file.write(base64.b64decode(data))
        return file.name
    return str(folder / entry[name]) if entry.get(name) else None


def _token(user: Mapping[str, Any], folder: Path) -> Token:
    if user.get("tokenFile"):
        return Token(file=folder / user["tokenFile"])
    return Token(text=user.get("token") or "")
