"""The REST door under a real cluster's rights: tokens, audiences, RBAC of the caller."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import control_plane
from support.redis_servers import RedisServer
from support.waiting import wait_until

from singletrack_cli.controlplane.server import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.kubernetes

#: alice may start, see and stop runs in team-a; bob may only look at them.
ROLES = {
    "alice": [
        ("taskruns", ["create", "get", "list", "patch"]),
        ("taskruns/cancel", ["create"]),
        ("tasklocks", ["get"]),
    ],
    "bob": [("taskruns", ["get", "list"])],
}


class Cluster:
    """Two teams with a namespace each, and who may do what in them."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def kubectl(self, *arguments: str, stdin: Any = None) -> str:
        command = [self.plane.programs.kubectl, f"--kubeconfig={self.plane.kubeconfig}", *arguments]
        text = None if stdin is None else json.dumps(stdin)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def token(self, name: str, audience: str = "singletrack") -> str:
        asked = [f"--audience={audience}"] if audience else []
        return self.kubectl("--namespace=team-a", "create", "token", name, *asked)

    def hire(self, name: str, rules: list[tuple[str, list[str]]]) -> None:
        self.kubectl("--namespace=team-a", "create", "serviceaccount", name)
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name, "namespace": "team-a"},
            "rules": [
                {"apiGroups": ["singletrack.dev"], "resources": [resource], "verbs": verbs}
                for resource, verbs in rules
            ],
        }
        self.kubectl("create", "-f", "-", stdin=role)
        self.kubectl(
            *("--namespace=team-a", "create", "rolebinding", name, f"--role={name}"),
            f"--serviceaccount=team-a:{name}",
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs = control_plane.programs()
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane.start(programs, folder, durable=False) as plane:
        cluster = Cluster(plane)
        for file in ("crd.yaml", "operator-rbac.yaml"):
            cluster.kubectl("apply", "-f", str(ROOT / "k8s" / file))
        for team in ("team-a", "team-b"):
            cluster.kubectl("create", "namespace", team)
        for name, rules in ROLES.items():
            cluster.hire(name, rules)
        yield cluster


@pytest.fixture
def ask(
    cluster: Cluster, valkey: RedisServer, worker: Any, start_api: Callable[..., Any]
) -> Callable[..., httpx2.Response]:
    """One request with a token, to an API with the rights of its own account."""
    own = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-api")
    api = start_api(valkey.url, auth="kubernetes", kubeconfig=own)
    assert worker.ledger, "the task is registered"

    def request(method: str, path: str, token: str = "", **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return api.http.request(method, path, headers=headers, **options)

    return request


@pytest.fixture
def ask_slow_door(
    cluster: Cluster, valkey: RedisServer, start_api: Callable[..., Any]
) -> Callable[[str], httpx2.Response]:
    """One look at the runs with a token, where each caller may ask five times a minute."""
    own = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-api")
    api = start_api(valkey.url, auth="kubernetes", kubeconfig=own, caller_requests_per_minute=5)

    def look(token: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return api.http.get("/v1/namespaces/team-a/runs", headers=headers)

    return look


def test_whoever_asks_too_often_has_to_wait_and_nobody_else(
    cluster: Cluster, ask_slow_door: Callable[[str], httpx2.Response]
) -> None:
    alice, bob = cluster.token("alice"), cluster.token("bob")
    assert [ask_slow_door(alice).status_code for _ in range(5)] == [200] * 5
    refused = ask_slow_door(alice)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "system:serviceaccount:team-a:alice has asked too often" in refused.json()["detail"]
    again = cluster.token("alice")
    assert ask_slow_door(again).status_code == 429
    assert ask_slow_door(bob).status_code == 200


def start(ask: Callable[..., httpx2.Response], token: str, team: str = "team-a") -> httpx2.Response:
    body = {"task": "dummy_task", "lock": {"policy": "Queue"}}
    return ask("POST", f"/v1/namespaces/{team}/runs", token, json=body)


def test_whoever_may_create_task_runs_may_start_runs_and_only_there(
    cluster: Cluster, ask: Callable[..., httpx2.Response], worker: Any
) -> None:
    alice = cluster.token("alice")
    accepted = start(ask, alice)
    assert accepted.status_code == 201, accepted.text
    assert worker.run(accepted.json()["id"]).spec.requested_by == (
        "system:serviceaccount:team-a:alice"
    )
    refused = start(ask, alice, team="team-b")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "team-b" in refused.json()["detail"]


def test_whoever_may_only_look_may_only_look(
    cluster: Cluster, ask: Callable[..., httpx2.Response]
) -> None:
    alice, bob = cluster.token("alice"), cluster.token("bob")
    run = start(ask, alice).headers["Location"]
    assert ask("GET", run, bob).status_code == 200
    assert start(ask, bob).status_code == 403
    assert ask("POST", f"{run}:cancel", bob).status_code == 403
    assert ask("GET", "/v1/namespaces/team-a/locks/default", bob).status_code == 403
    assert ask("GET", "/v1/namespaces/team-a/locks/default", alice).status_code == 200
    assert ask("POST", "/v1/queues/celery:pause", alice).status_code == 403


@pytest.mark.parametrize("audience", ["", "another-service"])
def test_a_token_for_somebody_else_is_not_good_here(
    cluster: Cluster, ask: Callable[..., httpx2.Response], audience: str
) -> None:
    answer = start(ask, cluster.token("alice", audience))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_nobody_is_let_in_without_a_token(ask: Callable[..., httpx2.Response]) -> None:
    assert start(ask, "").status_code == 401
    assert ask("GET", "/start").status_code == 401
    assert ask("GET", "/livez").status_code == 200


def test_a_right_that_is_taken_away_ends_within_seconds(
    cluster: Cluster, ask: Callable[..., httpx2.Response]
) -> None:
    cluster.hire("carol", ROLES["alice"])
    carol = cluster.token("carol")
    wait_until(lambda: start(ask, carol).status_code == 201, what="the binding to count")
    cluster.kubectl("--namespace=team-a", "delete", "rolebinding", "carol")
    wait_until(lambda: start(ask, carol).status_code == 403, 20, "the right to end")
    cluster.kubectl("--namespace=team-a", "delete", "serviceaccount", "carol")
    wait_until(lambda: start(ask, carol).status_code == 401, 20, "the token to end")
