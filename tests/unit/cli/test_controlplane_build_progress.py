"""What is said during a build: a line now and then in a log, one line that counts on a terminal."""

from __future__ import annotations

import io

from singletrack_cli.controlplane.build_progress import BuildProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_fifteen_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    progress = BuildProgress(out, clock=clock)
    progress.begin("building etcd")
    for second in range(40):
        clock.now = float(second)
        progress.tick("go.etcd.io/bbolt")
    progress.finish()
    assert out.getvalue().splitlines() == [
        "building etcd",
        "building etcd: 15 s",
        "building etcd: 30 s",
        "building etcd: done in 39 s",
    ]


def test_a_terminal_has_one_line_that_is_rewritten_with_what_is_compiled() -> None:
    out, clock = Terminal(), Clock()
    progress = BuildProgress(out, clock=clock)
    progress.begin("building etcd")
    clock.now = 3.0
    progress.tick("go.etcd.io/bbolt")
    progress.finish()
    said = out.getvalue()
    assert "\r\x1b[Kbuilding etcd: 3 s  go.etcd.io/bbolt\r" in said
    assert said.count("\n") == 1


def test_a_line_never_wraps_on_a_terminal() -> None:
    out = Terminal()
    progress = BuildProgress(out, clock=Clock())
    progress.begin("building etcd")
    progress.tick("x" * 1000)
    assert max(len(line) for line in out.getvalue().split("\r\x1b[K")) < 1000


def test_each_step_counts_from_its_own_beginning() -> None:
    out, clock = io.StringIO(), Clock()
    progress = BuildProgress(out, clock=clock)
    progress.begin("building etcd")
    clock.now = 50.0
    progress.begin("building kubectl")
    clock.now = 52.0
    progress.finish()
    assert out.getvalue().splitlines()[-1] == "building kubectl: done in 2 s"
