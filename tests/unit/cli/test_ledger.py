"""`singletrack ledger users`: commands for redis-cli, with hashes of passwords and no password."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from singletrack.adapters.redis_ledger.roles import Role
from singletrack_cli.main import app


def users(*options: str) -> Result:
    return CliRunner().invoke(app, ["ledger", "users", *options])


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    for role in Role:
        (tmp_path / role).write_text(f"secret of {role}\n")
    return tmp_path


def test_every_role_is_a_command_that_begins_from_nothing() -> None:
    lines = users().stdout.splitlines()
    names = [f"ACL SETUSER singletrack-{role} reset on" for role in Role]
    assert [line.partition(" ~")[0] for line in lines] == names


def test_passwords_are_printed_as_hashes_alone(passwords: Path) -> None:
    printed = users("--passwords", str(passwords)).stdout
    for role in Role:
        assert "#" + hashlib.sha256(f"secret of {role}".encode()).hexdigest() in printed
    assert "secret of" not in printed


def test_a_role_without_its_password_is_named(passwords: Path) -> None:
    (passwords / Role.WORKER).write_text("\n")
    assert "worker is empty" in str(users("--passwords", str(passwords)).exception)
    (passwords / Role.WORKER).unlink()
    assert "worker" in str(users("--passwords", str(passwords)).exception)


def test_the_queues_are_those_named_and_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLETRACK_DEFAULT_QUEUE", "jobs")
    worker = users("--queue", "mail").stdout.splitlines()[2]
    assert {"~jobs*", "~mail*"} <= set(worker.split())
    assert "~*" not in worker.split()


def test_an_older_server_is_told_of_no_command_it_does_not_know() -> None:
    assert "waitaof" in users().stdout
    assert "waitaof" not in users("--server-version", "7.0.15").stdout
