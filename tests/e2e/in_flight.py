"""The runs that are in flight while a release is upgraded."""

from __future__ import annotations

from typing import Any

from support.taskrun_story import Story

SHORT, LONG, LOCKS = 200, 5, 20
ENDS_SECONDS = 240.0


def put_in_flight(story: Story, number: int = 0) -> list[str]:
    """Long ones, of which one executes, and short ones that wait for each other; their names."""
    long = story.create(*[_long(number, index) for index in range(LONG)])
    short = story.create(*[_short(number, index) for index in range(SHORT)])
    story.running(long)
    return long + short


def land(story: Story, names: list[str]) -> None:
    """Wait until all have succeeded."""
    story.wait_for_ends(names, ENDS_SECONDS)
    assert {story.phase(name) for name in names} == {"Succeeded"}


def _long(number: int, index: int) -> dict[str, Any]:
    lock = f"long-{number}-{index}"
    return {"task": "count_to", "params": {"to": 150, "name": lock}, "lock": {"policy": "Queue"}}


def _short(number: int, index: int) -> dict[str, Any]:
    lock = f"short-{number}-{index % LOCKS}"
    return {"task": "count_to", "params": {"to": 1, "name": lock}, "lock": {"policy": "Queue"}}
