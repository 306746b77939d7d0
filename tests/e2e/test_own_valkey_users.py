"""The chart's own Valkey with a user for each part, which a job of the chart makes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from e2e.releases import Release, installed, make_place, room
from support.cluster.running import Cluster
from support.platform_images import VALKEY
from support.waiting import wait_until

from singletrack.adapters.redis_ledger.roles import Role

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

SECRET = "users-passwords"
PASSWORDS = {name: secrets.token_hex(12) for name in ("password", *Role)}


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    release, folder = make_place(cluster), tmp_path_factory.mktemp("values")
    literals = [f"--from-literal={name}={word}" for name, word in PASSWORDS.items()]
    release.kubectl("create", "secret", "generic", SECRET, *literals)
    valkey = {"enabled": True, "users": True, "existingSecret": SECRET, "image": VALKEY}
    with (
        room(release, SECRET, "data-it-singletrack-valkey-0"),
        installed(release, folder, {"valkey": valkey}),
    ):
        yield release
    release.kubectl("delete", "secret", SECRET)


@contextmanager
def logged_in(release: Release, user: str, password: str) -> Iterator[Any]:
    """A client at the pod's address; the chart's Service has none of its own."""
    words = ("get", "pod/it-singletrack-valkey-0", "--output=jsonpath={.status.podIP}")
    address = release.kubectl(*words)
    with redis.Redis(
        host=address, username=user, password=password, decode_responses=True
    ) as client:
        yield client


def test_a_run_runs_and_each_part_is_a_user_of_its_own(release: Release) -> None:
    assert release.finished(release.create(task="dummy_task"))["phase"] == "Succeeded"
    assert "Succeeded" in release.helm("test", "it", "--timeout=120s")
    with logged_in(release, "default", PASSWORDS["password"]) as admin:
        users = {client["user"] for client in admin.client_list()}
    assert users == {"default", *(f"singletrack-{role}" for role in Role if role != Role.LOADER)}


def test_a_worker_can_neither_empty_the_server_nor_load_functions(release: Release) -> None:
    with logged_in(release, "singletrack-worker", PASSWORDS[Role.WORKER]) as worker:
        assert worker.ping()
        for forbidden in (("FLUSHALL",), ("FUNCTION", "FLUSH"), ("KEYS", "*"), ("ACL", "LIST")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                worker.execute_command(*forbidden)


def test_a_server_that_restarts_still_knows_them(release: Release) -> None:
    before = _uid(release)
    release.kubectl("delete", "pod/it-singletrack-valkey-0", "--wait")
    wait_until(lambda: _uid(release) not in {"", before}, 60, "another pod")
    ready = ("wait", "pod/it-singletrack-valkey-0", "--for=condition=Ready", "--timeout=60s")
    release.kubectl(*ready)
    status = release.finished(release.create(task="dummy_task", params={"name": "Ann"}))
    assert (status["phase"], status["result"]) == ("Succeeded", "Hello Ann!")


def test_no_environment_and_no_command_line_holds_a_password(release: Release) -> None:
    pods = json.loads(release.kubectl("get", "pods", "--output=json"))["items"]
    for pod in pods:
        assert not [word for word in PASSWORDS.values() if word in json.dumps(pod)]
    worker = ("exec", "deployment/it-singletrack-worker-default", "--")
    seen = release.kubectl(*worker, "python", "-c", _EVERYTHING)
    assert "SINGLETRACK_SECRETS" in seen
    assert not [word for word in PASSWORDS.values() if word in seen]


_EVERYTHING = """
from pathlib import Path
for process in Path("/proc").iterdir():
    for name in ("environ", "cmdline"):
        try:
            print((process / name).read_bytes().decode(errors="replace"))
        except OSError:
            pass
"""


def _uid(release: Release) -> str:
    words = ("get", "pod/it-singletrack-valkey-0", "--ignore-not-found")
    return release.kubectl(*words, "--output=jsonpath={.metadata.uid}")
