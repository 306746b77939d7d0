"""The rules that no real server can be made to break at will."""

import pytest
from unit.cli.doctor.test_examination import MACHINE
from unit.core.test_server import status

from singletrack.adapters.machine import find_little_room, find_missing_features
from singletrack.adapters.redis_ledger.examining import ClockReading
from singletrack.adapters.redis_ledger.server import Confirmation
from singletrack.adapters.redis_ledger.weaknesses import VULNERABILITIES
from singletrack.findings import Severity
from singletrack_cli.doctor.cluster_checks import differences
from singletrack_cli.doctor.facts import ClockSample
from singletrack_cli.doctor.local_checks import deviation_of, find_odd_rate
from singletrack_cli.doctor.promises import after_crash, after_failover


def sample(here, there, trip=0.002):
    first = ClockReading(before=100.0, after=100.0 + trip, server=5_000.0)
    last = ClockReading(before=100.0 + here, after=100.0 + here + trip, server=5_000.0 + there)
    return ClockSample(first=first, last=last)


def rates(here, there, trip=0.002):
    return [each.severity for each in find_odd_rate(*deviation_of(sample(here, there, trip)))]


def test_clocks_at_different_times_of_day_are_sound():
    assert rates(1.5, 1.5) == []


def test_a_clock_that_runs_fast_or_slow_is_named():
    assert rates(1.5, 1.6) == [Severity.WARNING]
    assert rates(1.5, 1.4) == [Severity.WARNING]


def test_a_clock_so_wrong_that_leases_are_misjudged_is_an_error():
    assert rates(1.5, 2.5) == [Severity.ERROR]


def test_a_slow_network_is_not_taken_for_a_wrong_clock():
    assert rates(1.5, 1.6, trip=0.2) == []


@pytest.mark.parametrize(
    ("flavour", "version", "names"),
    [
        ("redis", (7, 0, 15), {"CVE-2025-49844"}),
        ("redis", (7, 4, 5), {"CVE-2025-49844", "CVE-2026-23479"}),
        ("redis", (7, 4, 6), {"CVE-2026-23479"}),
        ("redis", (8, 6, 3), set()),
        ("valkey", (8, 1, 3), {"CVE-2025-49844"}),
        ("valkey", (8, 1, 4), set()),
        ("valkey", (9, 1, 2), set()),
    ],
)
def test_known_holes_by_version(flavour, version, names):
    found = {v.name for v in VULNERABILITIES if v.flavour == flavour and v.affects(version)}
    assert found == names


def machine(**changes):
    return type(MACHINE)(**{name: getattr(MACHINE, name) for name in MACHINE.__slots__} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": "Darwin"}, "needs Linux"),
        ({"has_pidfd": False}, "pidfd_open"),
        ({"has_subreaper": False}, "PR_SET_CHILD_SUBREAPER"),
    ],
)
def test_a_machine_without_what_a_worker_needs(changes, words):
    [found] = find_missing_features(machine(**changes))
    assert found.severity is Severity.ERROR
    assert words in found.problem


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"process_limit": 100, "processes": 90}, "only 10 more processes"),
        ({"open_files": 256}, "may open 256 files"),
    ],
)
def test_a_machine_with_little_room(changes, words):
    [found] = find_little_room(machine(**changes))
    assert words in found.problem


def test_a_machine_with_everything_is_sound():
    assert [*find_missing_features(MACHINE), *find_little_room(MACHINE)] == []


def test_what_an_api_server_adds_is_no_difference():
    assert (
        differences({"names": {"kind": "A"}}, {"names": {"kind": "A", "listKind": "AList"}}) == []
    )


def test_a_field_too_few_or_too_many_is_a_difference():
    ours = {"properties": {"a": 1, "b": 2}}
    assert differences(ours, {"properties": {"a": 1}}) == ["properties.b"]
    assert differences(ours, {"properties": {"a": 1, "b": 2, "c": 3}}) == ["properties.c"]


@pytest.mark.parametrize(
    ("confirmation", "fsync", "words"),
    [
        (Confirmation.REPLY, "always", "no acknowledged write is lost"),
        (Confirmation.WAITAOF, "everysec", "waits until it is on disk"),
        (Confirmation.WAIT, "everysec", "waits until a replica has it"),
        (Confirmation.WAIT, "always", "no acknowledged write is lost"),
        (Confirmation.NONE, "everysec", "can start a run twice"),
    ],
)
def test_what_a_crash_costs(confirmation, fsync, words):
    assert words in after_crash(confirmation, status(fsync=fsync))


def test_what_a_failover_costs_depends_on_how_many_replicas_have_a_start():
    assert "every replica has it" in after_failover(1, 1)
    assert "of 2 replicas another one may start a run twice" in after_failover(2, 1)
    assert "can start a run twice" in after_failover(1, 0)
