"""The chart on a server with a Redis user for each part, serving its own namespace alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from e2e.own_server import make_users, own_server
from e2e.releases import PLACE, Release, installed, make_place
from support.cluster.errors import ClusterError
from support.cluster.running import Cluster
from support.redis_servers import LOOKS

from singletrack.adapters.redis_ledger.roles import Role

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def admin(cluster: Cluster, images: None) -> Iterator[Any]:
    with own_server(make_place(cluster)) as server:
        yield server.admin


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, admin: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    release, folder = make_place(cluster), tmp_path_factory.mktemp("passwords")
    release.kubectl("create", "secret", "generic", "ledger-urls", *make_users(admin, folder))
    keys = {str(role): str(role) for role in Role}
    values = {
        "redis": {"existingSecret": "ledger-urls", "keys": keys},
        "rbac": {"scope": "namespaces"},
    }
    with installed(release, folder, values):
        yield release


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


def test_no_part_has_a_right_on_the_runs_of_other_namespaces(release: Release) -> None:
    for part in ("api", "operator"):
        may = (
            *("auth", "can-i", "get", "taskruns.singletrack.dev"),
            f"--as=system:serviceaccount:{PLACE}:it-singletrack-{part}",
        )
        assert release.kubectl(*may).strip() == "yes"
        with pytest.raises(ClusterError):
            release.cluster.kubectl("--namespace=default", *may)
