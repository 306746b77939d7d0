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
from support.redis_servers import VALKEY, binary, free_port
from support.rendered import Render, pods
from support.waiting import wait_until

from singletrack.settings import LedgerSettings

FOLDER = "/etc/singletrack/secrets"
OWN_VALKEY = {"redis": {}, "valkey": {"enabled": True, "existingSecret": "password"}}


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


def _command(container: dict[str, Any], folder: Path) -> list[str]:
    """What the container starts, in this folder instead of its own."""
    own = {FOLDER: str(folder), "/run/valkey": str(folder), "/data": str(folder)}
    words = [*container["command"], *container["args"]]
    for theirs, ours in own.items():
        words = [word.replace(theirs, ours) for word in words]
    return words


@contextmanager
def _running(container: dict[str, Any], folder: Path, more: list[str]) -> Iterator[None]:
    (folder / "bin").mkdir()
    (folder / "bin" / "valkey-server").symlink_to(binary(VALKEY))
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [*_command(container, folder), *more],
        env={"PATH": path},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        raise
    except redis.ConnectionError:
        return False


@pytest.mark.redis
@pytest.mark.parametrize(
    "password", ["letters", 'a "quoted" one', "back\\slash\\", "p@ss:w/o%20?#&", "$HOME `id`"]
)
def test_the_own_valkey_and_its_clients_take_the_password_from_the_same_file(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    (tmp_path / "REDIS_PASSWORD").write_text(password + "\n")
    container = dict(pods(render(**OWN_VALKEY)))["rel-singletrack-valkey"]["containers"][0]
    port = free_port()
    with _running(container, tmp_path, ["--port", str(port), "--bind", "127.0.0.1"]):
        monkeypatch.setenv("SINGLETRACK_SECRETS", str(tmp_path))
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
        with redis.Redis.from_url(LedgerSettings().redis_url) as client:
            wait_until(lambda: _answers(client), what="the server takes the password")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


@pytest.mark.redis
def test_an_empty_password_is_refused(render: Render, tmp_path: Path) -> None:
    (tmp_path / "REDIS_PASSWORD").write_text("")
    container = dict(pods(render(**OWN_VALKEY)))["rel-singletrack-valkey"]["containers"][0]
    done = subprocess.run(
        _command(container, tmp_path), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert "the Secret holds an empty password" in done.stderr
