"""The settings kopf gets, each of which has cost somebody an outage."""

from __future__ import annotations

import logging
from itertools import islice

import kopf
import pytest

from singletrack_operator import watching


def test_finished_runs_are_not_watched() -> None:
    settings = watching._settings()
    resource = kopf.Resource("singletrack.dev", "v1alpha1", "taskruns")

    assert settings.watching.field_selectors.collect(resource) == ["status.completionTime="]


def test_nothing_is_written_by_kopf() -> None:
    settings = watching._settings()

    assert not settings.posting.enabled
    assert isinstance(settings.persistence.diffbase_storage, watching.NullDiffBase)
    assert isinstance(settings.persistence.progress_storage, watching.NullProgress)
    assert settings.scanning.disabled


def test_a_watch_that_is_silent_for_longer_than_the_server_lets_one_last_is_dead() -> None:
    settings = watching._settings().watching

    assert settings.server_timeout is not None
    assert settings.client_timeout is not None
    assert settings.server_timeout < settings.client_timeout <= 30
    assert settings.server_timeout < settings.inactivity_timeout <= 30


@pytest.mark.parametrize(
    ("query", "begins"),
    [
        ("fieldSelector=x&limit=500", True),
        ("fieldSelector=x&limit=500&continue=abc", False),
        ("watch=true&fieldSelector=x", False),
    ],
)
def test_a_listing_begins_with_its_first_page(query: str, begins: bool) -> None:
    path = f"/apis/singletrack.dev/v1alpha1/taskruns?{query}"

    assert watching._is_first_page(path) is begins


def test_pauses_grow_to_a_limit_and_never_end() -> None:
    pauses = list(islice(watching.InfiniteJitter(1, 30), 100))

    assert all(0.5 <= pause <= 30 for pause in pauses)
    assert min(pauses[10:]) >= 15


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("Request attempt #1 failed; will retry: GET …", True),
        ("Request attempt #2 failed; will retry: GET …", False),
        ("Request attempt #11 failed; will retry: GET …", False),
        ("Watch-stream is inactive, reconnecting.", True),
    ],
)
def test_an_outage_is_worth_one_line(message: str, passes: bool) -> None:
    record = logging.LogRecord("kopf", logging.ERROR, "", 0, message, None, None)

    assert watching._first_attempt(record) is passes
