"""When a story of faults may end: too early, and its last run is in the next one."""

from dataclasses import replace

from support.faults.story import Seen, boottime, is_over
from support.local_platform import BOUND_SECONDS

LONG = 1e6


def test_a_message_that_nobody_has_recorded_yet_is_waited_for_however_quiet_it_is() -> None:
    sent = Seen("a", "default/x", accepted=False, last_change=boottime())
    assert not is_over(sent, quiet=LONG)
    assert not is_over(replace(sent, last_change=sent.last_change - LONG), quiet=0)
    assert is_over(replace(sent, last_change=sent.last_change - BOUND_SECONDS - 1), quiet=LONG)


def test_a_run_that_was_accepted_is_waited_for_until_it_is_known() -> None:
    assert not is_over(Seen("a", "default/x", accepted=True), quiet=LONG)
