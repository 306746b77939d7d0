"""What the operator knows of TaskRuns, when events come late, twice, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from singletrack.custom_resource.manifest import TaskRun
from singletrack_operator.store import Store

ENDED = {"completionTime": "2026-10-01T12:00:00Z"}


def version(number: int, uid: str = "u-1", **status: Any) -> TaskRun:
    return TaskRun(
        uid=uid,
        name="a",
        namespace="ns",
        resource_version=str(number),
        created_at=datetime(2026, 10, 1, tzinfo=UTC),
        spec={"task": "t"},
        status=status,
    )


def test_a_new_object_calls_for_a_look() -> None:
    store = Store()

    assert store.observe("ADDED", version(5))
    assert len(store) == 1


def test_our_own_write_coming_back_does_not() -> None:
    store = Store()
    store.observe("ADDED", version(5))
    store.put(version(6))

    assert not store.observe("MODIFIED", version(6))


def test_a_late_event_does_not_hide_what_is_newer() -> None:
    store = Store()
    store.put(version(99))

    assert not store.observe("MODIFIED", version(100 - 2))
    known = store.get("u-1")
    assert known is not None
    assert known.resource_version == "99"


def test_versions_are_compared_as_numbers() -> None:
    store = Store()
    store.observe("ADDED", version(99))

    assert store.observe("MODIFIED", version(100))


def test_a_deletion_calls_for_a_look() -> None:
    store = Store()
    store.observe("ADDED", version(5))

    assert store.observe("DELETED", version(5))
    assert "u-1" not in store


def test_that_the_watch_loses_sight_of_what_we_have_ended_does_not() -> None:
    store = Store()
    store.observe("ADDED", version(5))
    store.put(version(6, **ENDED))

    assert not store.observe("DELETED", version(5))


def test_a_late_event_does_not_bring_an_ended_one_back() -> None:
    store = Store()
    store.put(version(6, **ENDED))

    assert not store.observe("MODIFIED", version(5))
    assert store.get("u-1") is None


def test_another_object_of_the_same_name_is_another_object() -> None:
    store = Store()
    store.put(version(6, **ENDED))

    assert store.observe("ADDED", version(7, uid="u-2"))
