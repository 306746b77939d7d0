"""How a process ended, as two texts of a record and back."""

from __future__ import annotations

import pytest

from singletrack.exits import Exit


@pytest.mark.parametrize("ended", [Exit(code=0), Exit(code=255), Exit(signal="SIGKILL")], ids=str)
def test_what_is_written_can_be_read(ended: Exit) -> None:
    assert Exit.read(*ended.write()) == ended


def test_where_nothing_is_written_nobody_has_seen_it() -> None:
    assert Exit.read("", "") is None


@pytest.mark.parametrize("said", [{}, {"code": 1, "signal": "SIGKILL"}])
def test_a_process_ends_in_one_way(said: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match="by a signal"):
        Exit(**said)  # type: ignore[arg-type]  # on purpose
