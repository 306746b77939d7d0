"""The pure part of upkeep: when a server may be blessed."""

import pytest

from singletrack.operations import ServerStatus
from singletrack.settings import LeaseSettings
from singletrack.upkeep.blessing import may_bless

SETTINGS = LeaseSettings()


def status(**changes):
    fields = {
        "server_id": "now",
        "blessed_id": "before",
        "version": "9.1",
        "flavour": "valkey",
        "eviction_policy": "noeviction",
        "aof_enabled": True,
        "replicas": 0,
        "fsync": "always",
        "agents": {},
        "micros": 1,
    }
    return ServerStatus(**fields | changes)


def test_a_server_that_lost_nothing_is_blessed_when_every_agent_has_renewed():
    assert may_bless(status(agents={"a": "now"}), 0, SETTINGS)
    assert not may_bless(status(agents={"a": "now", "b": "before"}), 0, SETTINGS)


def test_an_agent_that_stays_silent_for_a_lease_and_the_margin_is_not_waited_for():
    silent = status(agents={"a": "before"})
    assert not may_bless(silent, 34.9, SETTINGS)
    assert may_bless(silent, 35, SETTINGS)


@pytest.mark.parametrize(
    "unsure", [{"fsync": "everysec"}, {"fsync": ""}, {"aof_enabled": False}, {"replicas": 1}]
)
def test_a_server_that_may_have_lost_writes_waits_for_the_grace(unsure):
    assert not may_bless(status(**unsure), 44.9, SETTINGS)
    assert may_bless(status(**unsure), 45, SETTINGS)
