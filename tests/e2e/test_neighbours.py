"""Somebody who may do everything in one namespace reaches no other one, by no door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.releases import PLACE, Release, with_own_valkey
from support.cluster.errors import ClusterError
from support.cluster.running import Cluster
from support.platform_images import ROOT
from support.taskruns import wish
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OTHER = "neighbours"
USER = f"system:serviceaccount:{PLACE}:admin"
SLOW = {"task": "count_to", "params": {"to": 600, "name": "neighbours"}, "lock": {"key": "shared"}}

#: Each route of the REST API that is about one namespace.
DOORS = [
    ("GET", "/runs", None),
    ("POST", "/runs", {"task": "dummy_task"}),
    ("GET", "/runs/{id}", None),
    ("GET", "/runs/{id}/result", None),
    ("PATCH", "/runs/{id}", {"priority": 9}),
    ("POST", "/runs/{id}:cancel", {}),
    ("POST", "/runs/{id}:confirm-dead", {}),
    ("DELETE", "/runs/{id}", None),
    ("GET", "/locks", None),
    ("GET", "/locks/shared", None),
    ("POST", "/locks/shared:pause", {}),
    ("POST", "/locks/shared:resume", {}),
    ("POST", "/locks/shared:release", {}),
]

WORDS = [
    ("get", "taskruns.singletrack.dev"),
    ("get", "strun/{name}"),
    ("create", "--filename=-"),
    ("patch", "strun/{name}", "--type=merge", '--patch={"spec": {"priority": 9}}'),
    ("delete", "strun/{name}"),
]


class Neighbours:
    """A run that executes in another namespace, and the user who has no business there."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.kubectl = release.cluster.kubectl
        self.token = release.token("admin", "admin")
        self.kubectl("create", "namespace", OTHER)
        created = self.kubectl(
            *(f"--namespace={OTHER}", "create", "--filename=-", "--output=json"),
            stdin=json.dumps(wish(SLOW)),
        )
        self.name = json.loads(created)["metadata"]["name"]
        self.id = json.loads(created)["metadata"]["uid"]
        wait_until(lambda: self.status()["phase"] == "Running", 60, "their run to execute")

    def status(self) -> dict[str, Any]:
        words = (f"--namespace={OTHER}", "get", f"strun/{self.name}", "--output=json")
        return json.loads(self.kubectl(*words)).get("status", {"phase": ""})

    def ask(self, method: str, path: str, body: Any = None) -> int:
        return self.release.ask(path, self.token, body, method=method)[0]


@pytest.fixture(scope="module")
def neighbours(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neighbours]:
    folder = tmp_path_factory.mktemp("values")
    with with_own_valkey(cluster, "neighbours-ledger", folder) as release:
        yield Neighbours(release)
        cluster.kubectl(f"--namespace={OTHER}", "delete", "taskruns.singletrack.dev", "--all")
    release.kubectl("delete", "serviceaccount/admin", "rolebinding/admin")
    cluster.kubectl("delete", "namespace", OTHER)


@pytest.mark.parametrize(("method", "path", "body"), DOORS)
def test_rest_is_closed_there(neighbours: Neighbours, method: str, path: str, body: Any) -> None:
    there = f"/v1/namespaces/{OTHER}{path.format(id=neighbours.id)}"
    assert neighbours.ask(method, there, body) == 403


def test_no_route_is_forgotten_here() -> None:
    description = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text())
    here = "/v1/namespaces/{ns}"
    routes = {
        (method.upper(), path.removeprefix(here).format(run_id="{id}", key="shared"))
        for path, methods in description["paths"].items()
        if path.startswith(here)
        for method in methods
    }
    assert routes == {(method, path) for method, path, _ in DOORS}


@pytest.mark.parametrize("path", ["/start", "/status?task_id={id}", "/cancel?task_id={id}"])
def test_the_short_routes_are_closed_as_well(neighbours: Neighbours, path: str) -> None:
    assert neighbours.ask("GET", path.format(id=neighbours.id)) == 403


@pytest.mark.parametrize("path", ["/runs/{id}", "/runs/{id}/result", "/runs/{id}:cancel"])
def test_their_run_is_not_found_among_ones_own(neighbours: Neighbours, path: str) -> None:
    here = f"/v1/namespaces/{PLACE}{path.format(id=neighbours.id)}"
    cancels = path.endswith(":cancel")
    assert neighbours.ask("POST" if cancels else "GET", here, {} if cancels else None) == 404


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_kubectl_is_refused_there(neighbours: Neighbours, words: tuple[str, ...]) -> None:
    command = (each.replace("{name}", neighbours.name) for each in words)
    with pytest.raises(ClusterError, match="Forbidden"):
        neighbours.kubectl(
            *(f"--namespace={OTHER}", f"--as={USER}", *command),
            stdin=json.dumps(wish({"task": "dummy_task"})) if words[0] == "create" else "",
        )


@pytest.mark.parametrize("key", ["shared", f"{OTHER}/shared", f"../{OTHER}/shared"])
def test_a_lock_of_the_same_name_is_another_lock(neighbours: Neighbours, key: str) -> None:
    lock = {"key": key, "policy": "Reject"}
    status = neighbours.release.finished(
        neighbours.release.create(task="add", lock=lock, params={"x": 1, "y": 2})
    )
    assert status["phase"] == "Succeeded"


@pytest.fixture(autouse=True)
def _their_run_goes_on(neighbours: Neighbours) -> Iterator[None]:
    yield
    status = neighbours.status()
    assert (status["phase"], status["attempt"]) == ("Running", 1)
