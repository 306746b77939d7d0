"""How a part gets a port of our choice when somebody else was quicker."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from singletrack_cli import checking, parts
from singletrack_cli.errors import CannotStart
from singletrack_cli.local_platform import LocalPlatform, Plan
from singletrack_cli.options import Options
from singletrack_cli.parts import Part, Says, Site
from singletrack_cli.terminal import Terminal

WORKS = "print('it is ready.'); import time; time.sleep(600)"
FAILS = "raise SystemExit('singletrack-api: something is wrong')"


@pytest.fixture
async def platform() -> AsyncIterator[LocalPlatform]:
    terminal = Terminal(io.StringIO(), {})
    plan = Plan(options=Options(api_port=0), environ={}, mark="")
    platform = LocalPlatform(plan, terminal, lambda: None)
    yield platform
    hurry = asyncio.Event()
    hurry.set()
    await platform.stop(hurry)
    terminal.close()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def play(monkeypatch: pytest.MonkeyPatch, ports: list[int], programs: list[str]) -> list[int]:
    """Let the ports be chosen and the API be played like this; on which ports it was started."""
    used: list[int] = []

    def api(_options: Options, site: Site, _environ: object) -> Part:
        used.append(site.api_port)
        command = (sys.executable, "-I", "-S", "-u", "-c", programs[len(used) - 1])
        return Part(name="api", command=command, environ={}, ready=Says(words=" ready."))

    monkeypatch.setattr(checking, "free_port", lambda: ports[len(used)])
    monkeypatch.setattr(parts, "api", api)
    return used


async def test_a_port_that_was_taken_meanwhile_is_replaced(
    platform: LocalPlatform, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = play(monkeypatch, [taken, 1], [FAILS, WORKS])
    await platform._start_api()
    assert used == [taken, 1]
    assert platform.site.api_port == 1


async def test_a_failure_for_another_reason_is_not_tried_again(
    platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = play(monkeypatch, [1, 2], [FAILS, WORKS])
    with pytest.raises(CannotStart, match="something is wrong"):
        await platform._start_api()
    assert used == [1]


async def test_it_does_not_go_on_for_ever(
    platform: LocalPlatform, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = play(monkeypatch, [taken] * 9, [FAILS] * 9)
    with pytest.raises(CannotStart, match="something is wrong"):
        await platform._start_api()
    assert len(used) == 3
