"""ServiceAccounts and their tokens: what a component in a cluster holds, for use without one.

Tests run the operator and the API with exactly the rights the chart grants them, instead of the
administrator's, under which every missing rule would go unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from singletrack_cli.controlplane.client import Client
from singletrack_cli.controlplane.errors import RequestRefused


def ensure(client: Client, namespace: str, name: str) -> None:
    """Make the ServiceAccount, and its namespace, unless they exist."""
    _create(client, "/api/v1/namespaces", namespace)
    _create(client, f"/api/v1/namespaces/{namespace}/serviceaccounts", name)


def token(client: Client, namespace: str, name: str, lifetime: timedelta) -> str:
    """A token of the API server's TokenRequest API, which grants no less than ten minutes."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    wanted = {"spec": {"expirationSeconds": int(lifetime.total_seconds())}}
    answer: Mapping[str, Mapping[str, str]] = client.request("POST", path, wanted)
    return answer["status"]["token"]


def _create(client: Client, collection: str, name: str) -> None:
    try:
        client.request("POST", collection, {"metadata": {"name": name}})
    except RequestRefused as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
