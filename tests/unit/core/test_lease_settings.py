"""The timing of leases: who says only how long one is gets everything else in proportion."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from singletrack.settings import LeaseSettings


def test_the_usual_lease_is_of_half_a_minute() -> None:
    usual = LeaseSettings()
    assert (usual.lease_seconds, usual.renew_seconds, usual.fence_seconds) == (30, 5, 8)
    assert (usual.margin_seconds, usual.blessing_grace_seconds) == (5, 45)


@pytest.mark.parametrize("seconds", [0.5, 4, 20, 44, 3600])
def test_a_lease_of_any_length_stands_by_itself(seconds: float) -> None:
    lease, usual = LeaseSettings(lease_seconds=seconds), LeaseSettings()
    for name in ("renew_seconds", "fence_seconds", "margin_seconds", "blessing_grace_seconds"):
        assert getattr(lease, name) == pytest.approx(getattr(usual, name) * seconds / 30)


def test_what_is_said_counts() -> None:
    assert LeaseSettings(lease_seconds=60, renew_seconds=2).renew_seconds == 2


def test_it_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLETRACK_LEASE_SECONDS", "6")
    assert LeaseSettings().blessing_grace_seconds == 9


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"lease_seconds": 0}, "greater than 0"),
        ({"renew_seconds": 8}, "at most a quarter of the lease"),
        ({"fence_seconds": 20}, "no time for two renewals"),
        ({"blessing_grace_seconds": 30}, "longer than the lease"),
    ],
)
def test_what_cannot_hold_is_refused(told: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        LeaseSettings(**told)
