"""`docs/reference/doors.md` names every knob of every door, and none that is not there."""

from __future__ import annotations

import inspect
import re

import pytest
from support.local_platform import ROOT

from singletrack.custom_resource.spec_fields import SPEC
from singletrack.tasks import task
from singletrack_api.schemas import LockRequest, RunCreate
from singletrack_worker.headers import HEADERS

PAGE = ROOT / "docs/reference/doors.md"


def column(number: int) -> set[str]:
    """The names in one column of the table."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {name for row in rows[1:] for name in re.findall(r"`([^`]+)`", row[number + 1])}


def custom_resource() -> set[str]:
    lock = next(field for field in SPEC.fields if field.name == "lock")
    return {field.name for field in SPEC.fields} | {f"lock.{field.name}" for field in lock.fields}


def rest() -> set[str]:
    fields = {str(field.alias) for field in RunCreate.model_fields.values()}
    return fields | {f"lock.{field.alias}" for field in LockRequest.model_fields.values()}


def decorator() -> set[str]:
    parameters = inspect.signature(task).parameters.values()
    return {each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


#: What says which task is meant and with what, or stops it later: no knob.
NO_KNOBS = {"task", "params", "cancel", "lock"}


@pytest.mark.parametrize(
    ("number", "there"),
    [
        (1, custom_resource() - NO_KNOBS),
        (2, rest() - NO_KNOBS),
        (3, set(HEADERS)),
        (4, decorator()),
    ],
    ids=["TaskRun", "REST", "producer", "@task"],
)
def test_each_door_has_the_names_of_its_column(number: int, there: set[str]) -> None:
    assert column(number) == there
