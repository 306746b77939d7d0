"""What is secret is mounted as a file: no environment and no command line holds it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from support.helm import VALUES_FILES, Helm
from support.redis_servers import CLIENT_OPTIONS, VALKEY, binary, free_port
from support.rendered import Objects, Render, environment, of_kind, pods
from support.waiting import wait_until

from singletrack.settings import LedgerSettings

FOLDER = "/etc/singletrack/secrets"
OWN_VALKEY = {"redis": {}, "valkey": {"enabled": True, "existingSecret": "password"}}
WITH_USERS = {"redis": {}, "valkey": {**OWN_VALKEY["valkey"], "users": True}}
BOTH = pytest.mark.parametrize("values", [OWN_VALKEY, WITH_USERS], ids=["one user", "users"])
PASSWORDS = ["letters", 'a "quoted" one', "back\\slash\\", "p@ss:w/o%20?#&", "$HOME `id`"]


def secrets_of(spec: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By file: the Secret and its key."""
    found = {}
    for volume in spec.get("volumes", []):
        sources = [volume.get("secret"), *_projected(volume)]
        for secret in filter(None, sources):
            for item in secret["items"]:
                name = secret.get("secretName") or secret["name"]
                found[item["path"]] = (name, item["key"])
    return found


def _projected(volume: dict[str, Any]) -> Iterator[Any]:
    for source in volume.get("projected", {}).get("sources", []):
        yield source.get("secret")


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda path: path.stem)
def test_no_secret_is_in_an_environment_or_on_a_command_line(helm: Helm, values: Path) -> None:
    for name, spec in pods(helm.render(**(yaml.safe_load(values.read_text()) or {}))):
        for container in spec["containers"]:
            ours = [entry for entry in container.get("env", []) if "REDIS" in entry["name"]]
            assert "secretKeyRef" not in str(ours), name
            assert "$(" not in str([each for each in container.get("args", []) if "pass" in each])


def test_each_part_has_the_address_of_its_role(render: Render) -> None:
    keys = {role: f"{role}-url" for role in ("api", "operator", "worker", "loader")}
    found = {
        name: secrets_of(spec)
        for name, spec in pods(render(redis={"existingSecret": "ledger", "keys": keys}))
    }
    assert found == {
        "rel-singletrack-api": {"REDIS_URL": ("ledger", "api-url")},
        "rel-singletrack-operator": {"REDIS_URL": ("ledger", "operator-url")},
        "rel-singletrack-worker-default": {"REDIS_URL": ("ledger", "worker-url")},
        "rel-singletrack-ledger": {"REDIS_URL": ("ledger", "loader-url")},
        "rel-singletrack-test": {},
    }


def test_each_part_has_the_password_of_its_user_on_the_own_valkey(render: Render) -> None:
    found = dict(pods(render(**WITH_USERS)))
    for part, name in (("api", "api"), ("operator", "operator"), ("worker", "worker-default")):
        spec = found[f"rel-singletrack-{name}"]
        assert secrets_of(spec) == {"REDIS_PASSWORD": ("password", part)}
        url = environment(spec)["REDIS_URL"]
        assert url == f"redis://singletrack-{part}@rel-singletrack-valkey:6379/0"


def test_one_job_makes_the_users_and_another_takes_its_place_when_it_changes(
    render: Render,
) -> None:
    def job(**values: Any) -> dict[str, Any]:
        [found] = of_kind(render(**WITH_USERS, **values), "Job")
        return found

    [users] = job(workers={"mail": {"queues": ["mail"]}})["spec"]["template"]["spec"][
        "initContainers"
    ]
    assert {"--apply", "--queue=celery", "--queue=mail"} <= set(users["args"])
    names = {
        job(**values)["metadata"]["name"]
        for values in ({}, {"image": {"tag": "2"}}, {"workers": {"mail": {"queues": ["mail"]}}})
    }
    assert len(names) == 3
    assert job()["metadata"]["name"] in names


def test_a_broker_of_its_own_has_a_file_too(render: Render) -> None:
    for name, spec in pods(render(broker={"existingSecret": "rabbitmq", "key": "amqp"})):
        if not name.endswith("-test"):
            assert secrets_of(spec)["SINGLETRACK_BROKER_URL"] == ("rabbitmq", "amqp")


def test_who_has_secrets_finds_them(render: Render) -> None:
    for values in ({}, OWN_VALKEY):
        for _, spec in pods(render(**values)):
            names = {volume["name"] for volume in spec["volumes"] if "secret" in str(volume)}
            [container] = spec["containers"]
            mounted = {each["name"]: each for each in container["volumeMounts"]}
            for name in names & {"singletrack-secrets"}:
                assert mounted[name] == {"name": name, "mountPath": FOLDER, "readOnly": True}
            variables = {each["name"]: each.get("value") for each in container.get("env", [])}
            assert variables.get("SINGLETRACK_SECRETS", FOLDER) == FOLDER


class Started:
    """The container of the chart's own Valkey, started on this machine in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        (folder / "bin").mkdir()
        (folder / "bin" / "valkey-server").symlink_to(binary(VALKEY))

    @contextmanager
    def running(self, objects: Objects, password: str) -> Iterator[None]:
        process = self._start(objects, password)
        try:
            yield
        finally:
            process.kill()
            process.communicate(timeout=10)

    def refused(self, objects: Objects) -> subprocess.CompletedProcess[str]:
        process = self._start(objects, "")
        try:
            said, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def _start(self, objects: Objects, password: str) -> subprocess.Popen[str]:
        (self._folder / "REDIS_PASSWORD").write_text(f"{password}\n" if password else "")
        container = dict(pods(objects))["rel-singletrack-valkey"]["containers"][0]
        words = [*container["command"], *container["args"]]
        for theirs in (FOLDER, "/run/valkey", "/data"):
            words = [word.replace(theirs, str(self._folder)) for word in words]
        return subprocess.Popen(
            [*words, "--port", str(self.port), "--bind", "127.0.0.1"],
            env={"PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """Its clients have the same folder and the address of this one."""
    made = Started(tmp_path)
    monkeypatch.setenv("SINGLETRACK_SECRETS", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{made.port}/0")
    return made


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        raise
    except redis.ConnectionError:
        return False


@pytest.mark.redis
@BOTH
@pytest.mark.parametrize("password", PASSWORDS)
def test_the_own_valkey_and_its_clients_take_the_password_from_the_same_file(
    render: Render, own: Started, values: dict[str, Any], password: str
) -> None:
    with own.running(render(**values), password):
        with redis.Redis.from_url(LedgerSettings().redis_url, **CLIENT_OPTIONS) as client:
            wait_until(lambda: _answers(client), what="the server takes the password")
        with (
            redis.Redis(port=own.port, **CLIENT_OPTIONS) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


@pytest.mark.redis
@BOTH
def test_an_empty_password_is_refused(render: Render, own: Started, values: dict[str, Any]) -> None:
    done = own.refused(render(**values))
    assert done.returncode != 0
    assert "the Secret holds an empty password" in done.stderr


@pytest.mark.redis
def test_the_own_valkey_keeps_its_users_and_takes_a_new_password(
    render: Render, own: Started
) -> None:
    objects = render(**WITH_USERS)
    with (
        own.running(objects, "first"),
        redis.Redis.from_url(LedgerSettings().redis_url, **CLIENT_OPTIONS) as c,
    ):
        wait_until(lambda: _answers(c), what="the server")
        c.execute_command("ACL", "SETUSER", "singletrack-api", "on", ">secret", "+ping")
        c.execute_command("ACL", "SAVE")
    with (
        own.running(objects, "second"),
        redis.Redis.from_url(LedgerSettings().redis_url, **CLIENT_OPTIONS) as c,
    ):
        wait_until(lambda: _answers(c), what="the server")
        with redis.Redis(port=own.port, username="singletrack-api", password="secret") as one:
            assert one.ping()
        with (
            redis.Redis(port=own.port, password="first", **CLIENT_OPTIONS) as late,
            pytest.raises(redis.AuthenticationError),
        ):
            late.ping()
