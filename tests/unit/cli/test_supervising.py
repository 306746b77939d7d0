"""The life of one part: real processes, each a line of Python."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from support.waiting import wait_until_async

from singletrack_cli import supervising
from singletrack_cli.errors import CannotStart
from singletrack_cli.parts import Part, Says
from singletrack_cli.supervising import Keeper
from singletrack_cli.terminal import Terminal

WORKS = "print('busy'); print('it is ready.'); print('shown'); import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WORKS}"

Make = Callable[..., Keeper]


def part(program: str, *, patience: float | None = 10.0) -> Part:
    return Part(
        name="thing",
        command=(sys.executable, "-I", "-S", "-u", "-c", program),
        environ=dict(os.environ),
        ready=Says(words=" ready."),
        patience_seconds=patience,
    )


class Stage:
    """A terminal and the keepers that were made on it, ended with the test."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.terminal = Terminal(self.out, {})
        self.terminal.quiet = False
        self.keepers: list[Keeper] = []
        self.changes: list[int] = []

    def keep(self, *programs: str, patience: float | None = 10.0) -> Keeper:
        """A keeper whose n-th process runs the n-th program, and then the last one."""

        def make(number: int) -> Part:
            return part(programs[min(number, len(programs)) - 1], patience=patience)

        keeper = Keeper("thing", make, self.terminal, lambda: self.changes.append(keeper.pid))
        self.keepers.append(keeper)
        return keeper

    def said(self, text: str) -> bool:
        return text in self.out.getvalue()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    hurry = asyncio.Event()
    hurry.set()
    for keeper in stage.keepers:
        await keeper.stop(hurry)
    stage.terminal.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_start_returns_when_it_is_ready(stage: Stage) -> None:
    keeper = stage.keep(WORKS)
    await keeper.start()
    assert alive(keeper.pid)


async def test_what_it_says_before_it_is_ready_is_not_shown(stage: Stage) -> None:
    slowly = "import time; print('busy'); print('it is ready.'); time.sleep(0.3); print('shown')"
    keeper = stage.keep(f"{slowly}; time.sleep(600)")
    await keeper.start()
    await wait_until_async(lambda: stage.said("thing    | shown\n"))
    assert not stage.said("busy")


async def test_verbose_shows_everything(stage: Stage) -> None:
    stage.terminal.verbose = True
    await stage.keep(WORKS).start()
    await wait_until_async(lambda: stage.said("thing    | busy\n"))


async def test_one_that_ends_with_a_sentence_is_explained_by_it(stage: Stage) -> None:
    program = "print('noise'); raise SystemExit('singletrack-thing: the disk is full; delete it')"
    with pytest.raises(CannotStart) as caught:
        await stage.keep(program).start()
    assert str(caught.value) == "thing did not start: the disk is full; delete it"


async def test_one_that_crashes_is_explained_by_its_last_lines(stage: Stage) -> None:
    with pytest.raises(CannotStart) as caught:
        await stage.keep("print('before'); 1 / 0").start()
    assert str(caught.value).startswith("thing did not start (exit code 1); its last words:\n")
    assert "  ZeroDivisionError: division by zero" in str(caught.value)


async def test_one_that_is_never_ready_is_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "READY_SECONDS", 0.2)
    with pytest.raises(CannotStart, match="thing was not ready within 0 s"):
        await stage.keep("import time; time.sleep(600)").start()


async def test_one_that_dies_is_started_again_and_that_is_said_in_one_line(stage: Stage) -> None:
    keeper = stage.keep(WORKS)
    await keeper.start()
    first = keeper.pid
    os.kill(first, signal.SIGKILL)
    line = "up       | thing has ended (killed by SIGKILL); starting it again in 0.5 s\n"
    await wait_until_async(lambda: stage.said(line))
    await wait_until_async(lambda: keeper.pid != first and alive(keeper.pid))
    assert stage.changes == [first, keeper.pid]


async def test_one_that_dies_before_it_was_ready_again_says_why(stage: Stage) -> None:
    keeper = stage.keep(WORKS, "raise SystemExit('singletrack-thing: no luck')", WORKS)
    await keeper.start()
    os.kill(keeper.pid, signal.SIGKILL)
    line = "thing has ended (exit code 1): no luck; starting it again in 1 s\n"
    await wait_until_async(lambda: stage.said(line))


async def test_it_is_ended_by_sigterm(stage: Stage) -> None:
    handler = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))"
    keeper = stage.keep(f"{handler}; {WORKS}")
    await keeper.start()
    pid = keeper.pid
    await keeper.stop(asyncio.Event())
    assert not alive(pid)
    await wait_until_async(lambda: stage.said("thing    | bye\n"))
    assert not stage.said("again")


async def test_one_that_does_not_end_in_time_is_killed(stage: Stage) -> None:
    keeper = stage.keep(STUBBORN, patience=0.1)
    await keeper.start()
    await keeper.stop(asyncio.Event())
    assert not alive(keeper.pid)


async def test_one_with_endless_patience_is_waited_for_until_somebody_hurries(
    stage: Stage,
) -> None:
    keeper = stage.keep(STUBBORN, patience=None)
    await keeper.start()
    hurry = asyncio.Event()
    stopping = asyncio.create_task(keeper.stop(hurry))
    done, _ = await asyncio.wait({stopping}, timeout=0.3)
    assert not done
    hurry.set()
    await stopping
    assert not alive(keeper.pid)


async def test_a_new_one_takes_over_before_the_old_one_goes(stage: Stage) -> None:
    keeper = stage.keep(WORKS)
    await keeper.start()
    old = keeper.pid
    await keeper.replace()
    assert keeper.pid != old
    await wait_until_async(lambda: not alive(old))
    assert alive(keeper.pid)
    assert not stage.said("has ended")


async def test_after_a_takeover_the_new_one_is_kept_running_while_the_old_one_lingers(
    stage: Stage,
) -> None:
    keeper = stage.keep(STUBBORN, WORKS)
    await keeper.start()
    lingering = keeper.pid
    await keeper.replace()
    second = keeper.pid
    os.kill(second, signal.SIGKILL)
    await wait_until_async(lambda: keeper.pid not in {lingering, second})
    assert alive(lingering)
