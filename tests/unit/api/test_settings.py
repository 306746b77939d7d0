"""Which intake is chosen, and where the process listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from singletrack.errors import ConfigurationError
from singletrack_api import parts
from singletrack_api.main import listening
from singletrack_api.settings import ApiSettings


@pytest.mark.parametrize(
    ("environment", "in_pod", "kubernetes"),
    [
        ({}, False, False),
        ({"SINGLETRACK_KUBECONFIG": "x"}, False, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, False),
        ({"SINGLETRACK_INTAKE": "kubernetes"}, False, True),
        ({"SINGLETRACK_INTAKE": "ledger", "SINGLETRACK_KUBECONFIG": "x"}, False, False),
    ],
)
def test_runs_go_through_a_cluster_when_one_is_meant(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    in_pod: bool,
    kubernetes: bool,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if in_pod:
        (tmp_path / "token").touch()
    monkeypatch.setattr(parts, "SERVICE_ACCOUNT", tmp_path)
    assert parts.uses_kubernetes(ApiSettings()) is kubernetes


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_a_loopback_address_is_listened_on(host: str) -> None:
    with listening(host, 0) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "8.8.8.8"])  # noqa: S104
def test_another_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="without authentication"):
        listening(host, 0)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} .* SINGLETRACK_API_PORT"):
            listening("127.0.0.1", port)
