"""Whatever door a request comes by, and however its parameters are given: the same lock."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from singletrack import task
from singletrack.admission import Defaults, RunRequest, check_parameters, resolve
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import manifest
from singletrack.errors import InvalidParameters
from singletrack.run import Door, RunSpec
from singletrack.tasks import declaration_of, describe
from singletrack_worker.direct import DirectRuns, Message

DEFAULTS = Defaults()


@task(name="doors.report", lock="reports/{month}/{year}")
def report(month: str, year: int = 2026, draft: bool = False) -> None:
    """Make a report."""


APP = Celery(set_as_current=False)
APP.finalize()


def entry() -> CatalogueEntry:
    registered = APP.tasks["doors.report"]
    declared = declaration_of(registered)
    assert declared
    return describe(registered, declared)


def by_rest(params: dict[str, Any]) -> RunSpec:
    request = RunRequest(
        run_id="r", task="doors.report", params=params, namespace="team", door=Door.REST
    )
    check_parameters(request, entry())
    return resolve(request, entry(), DEFAULTS)


def by_kubectl(params: dict[str, Any]) -> RunSpec:
    return _submitted({"task": "doors.report", "params": params})


def by_rest_through_a_taskrun(params: dict[str, Any]) -> RunSpec:
    """As the API makes a TaskRun, and the operator reads it."""
    request = RunRequest(
        run_id="r", task="doors.report", params=params, namespace="team", door=Door.REST
    )
    return _submitted(manifest.build(request, by_rest(params))["spec"])


def by_name_from_a_producer(params: dict[str, Any]) -> RunSpec:
    return _sent((), params)


def by_position_from_a_producer(params: dict[str, Any]) -> RunSpec:
    names = ["month", "year", "draft"]
    given_first = [name for name in names if name in params][: len(params)]
    if given_first != names[: len(given_first)]:
        return _sent((), params)
    return _sent(tuple(params[name] for name in given_first), {})


def _submitted(spec: dict[str, Any]) -> RunSpec:
    metadata = {"uid": "u", "name": "a", "namespace": "team"}
    request = manifest.to_request(manifest.read({"metadata": metadata, "spec": spec}))
    check_parameters(request, entry())
    return resolve(request, entry(), DEFAULTS)


def _sent(args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunSpec:
    message = Message(run_id="r", task="doors.report", args=args, kwargs=kwargs)
    return DirectRuns(APP, "team", DEFAULTS).specify(message)


DOORS = [
    by_rest,
    by_kubectl,
    by_rest_through_a_taskrun,
    by_name_from_a_producer,
    by_position_from_a_producer,
]

months = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["{year}", "{{month}}", "{0.__class__}", "%(year)s", "../..", "a/b", "}", "☃"]),
)


def key_or_refusal(door: Any, params: dict[str, Any]) -> str | None:
    try:
        return str(door(params).lock)
    except InvalidParameters:
        return None


@given(months, st.one_of(st.none(), st.integers(-(10**6), 10**6)))
def test_every_door_makes_the_same_key_or_refuses(month: str, year: int | None) -> None:
    params = {"month": month} | ({} if year is None else {"year": year})
    wanted = f"team/reports/{month}/{2026 if year is None else year}"
    keys = {door.__name__: key_or_refusal(door, params) for door in DOORS}
    fits = wanted.isprintable() and len(wanted) <= 253
    assert set(keys.values()) == ({wanted} if fits else {None}), keys


@pytest.mark.parametrize("door", DOORS)
def test_a_missing_parameter_is_named_at_every_door(door: Any) -> None:
    with pytest.raises(InvalidParameters, match="month"):
        door({"year": 2025})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("month", ["10\n11", "\x00", "\u202e", "x" * 250])
def test_a_value_no_key_can_hold_is_refused_at_every_door(door: Any, month: str) -> None:
    with pytest.raises(InvalidParameters, match="lock key"):
        door({"month": month})
