"""A part that dies again and again is started again less and less often."""

from __future__ import annotations

from singletrack_cli.backoff import STEADY_SECONDS, Backoff


def test_the_pause_doubles_from_half_a_second_to_fifteen() -> None:
    backoff = Backoff()
    assert [backoff.after(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_after_a_long_life_it_begins_again() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.after(0)
    assert [backoff.after(STEADY_SECONDS), backoff.after(0)] == [0.5, 1]
