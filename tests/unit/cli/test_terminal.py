"""The terminal: whose line it is, what takes long, and what happens when nobody reads."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

import pytest
from support.waiting import wait_until, wait_until_async

from singletrack_cli import terminal as terminals
from singletrack_cli.terminal import Terminal


class Screen(io.StringIO):
    """Something to write on that may be a terminal, stand still, or be gone."""

    def __init__(self, *, interactive: bool = False) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.gone = False
        self._interactive = interactive

    def isatty(self) -> bool:
        return self._interactive

    def write(self, text: str) -> int:
        self.goes_on.wait()
        if self.gone:
            raise BrokenPipeError
        return super().write(text)


def test_each_line_stands_behind_its_part_s_name() -> None:
    out = Screen()
    terminal = Terminal(out, {})
    terminal.line("worker", "hello")
    terminal.say("stopping")
    terminal.close()
    assert out.getvalue() == "worker   | hello\nup       | stopping\n"


def test_names_are_coloured_on_a_terminal_only_and_not_against_the_user_s_will() -> None:
    texts = []
    for interactive, environ in ((True, {}), (True, {"NO_COLOR": "1"}), (False, {})):
        out = Screen(interactive=interactive)
        terminal = Terminal(out, environ)
        terminal.line("worker", "hello")
        terminal.close()
        texts.append(out.getvalue())
    assert "\x1b[32mworker   |\x1b[0m hello" in texts[0]
    assert "\x1b" not in texts[1] + texts[2]


def test_a_terminal_that_stands_still_holds_nobody_up_and_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminals, "_ROOM", 5)
    out = Screen()
    terminal = Terminal(out, {})
    out.goes_on.clear()
    for number in range(100):
        terminal.say(str(number))
    out.goes_on.set()
    wait_until(lambda: "up       | 4\n" in out.getvalue())
    terminal.say("last")
    terminal.close()
    assert "lines were dropped: the terminal stood still" in out.getvalue()
    assert out.getvalue().endswith("| last\n")


def test_when_nobody_reads_any_more_it_is_said_to_whom_it_concerns() -> None:
    out, told = Screen(), threading.Event()
    terminal = Terminal(out, {})
    terminal.when_gone(told.set)
    out.gone = True
    terminal.say("is anybody there?")
    assert told.wait(5)
    terminal.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "SLOW_SECONDS", 0.02)


async def test_what_is_quick_is_not_mentioned() -> None:
    out = Screen()
    terminal = Terminal(out, {})
    with terminal.progress("starting api"):
        await asyncio.sleep(0)
    terminal.close()
    assert out.getvalue() == ""


async def test_what_takes_long_is_mentioned(impatient: Any) -> None:
    out = Screen()
    terminal = Terminal(out, {})
    with terminal.progress("starting api"):
        await wait_until_async(lambda: "up       | starting api: 0 s\n" in out.getvalue())
    terminal.close()


async def test_on_a_terminal_one_line_at_the_bottom_tells_what_is_waited_for(
    impatient: Any,
) -> None:
    out = Screen(interactive=True)
    terminal = Terminal(out, {"NO_COLOR": "1"})
    with terminal.progress("starting api"), terminal.progress("starting worker"):
        await wait_until_async(lambda: "starting api: 0 s, starting worker: 0 s" in out.getvalue())
        terminal.say("meanwhile")
    terminal.close()
    assert "\r\x1b[Kup       | meanwhile\nstarting api" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")
