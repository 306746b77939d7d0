"""The embedded server's configuration: durable, private, the same from one call to the next."""

from __future__ import annotations

from pathlib import Path

from singletrack_cli.embedded_valkey import EmbeddedValkey

PROGRAM = Path("/opt/valkey-server")


def settings(folder: Path) -> dict[str, str]:
    lines = (folder / "valkey.conf").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_it_keeps_what_the_promise_needs(tmp_path: Path) -> None:
    EmbeddedValkey.prepare(PROGRAM, tmp_path)
    found = settings(tmp_path)
    assert found["bind"] == "127.0.0.1"
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")
    assert found["maxmemory-policy"] == "noeviction"


def test_nobody_else_can_read_its_password(tmp_path: Path) -> None:
    server = EmbeddedValkey.prepare(PROGRAM, tmp_path / "new")
    assert settings(tmp_path / "new")["requirepass"] == server.password
    assert len(server.password) >= 32
    assert server.password not in repr(server) + " ".join(server.part({}, "").command)
    private = [tmp_path / "new", *(tmp_path / "new").iterdir()]
    assert [path for path in private if path.stat().st_mode & 0o077] == []


def test_port_and_password_stay_the_same(tmp_path: Path) -> None:
    first, second = (EmbeddedValkey.prepare(PROGRAM, tmp_path) for _ in range(2))
    assert first == second


def test_a_password_that_was_never_written_to_its_end_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "password").touch()
    assert EmbeddedValkey.prepare(PROGRAM, tmp_path).password != ""
