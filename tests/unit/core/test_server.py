import pytest

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.adapters.redis_ledger.server import (
    Confirmation,
    assess,
    check_version,
    confirmation_commands,
    is_confirmed,
)
from singletrack.errors import ConfigurationError, LedgerMisconfigured
from singletrack.operations import ServerStatus
from singletrack.settings import Durability, LedgerSettings


def status(**changes):
    fields = {
        "server_id": "now",
        "blessed_id": "now",
        "version": "9.1.2",
        "flavour": "valkey",
        "eviction_policy": "noeviction",
        "aof_enabled": True,
        "replicas": 0,
        "fsync": "always",
        "agents": {},
        "micros": 1,
    }
    return ServerStatus(**fields | changes)


def confirmation(durability=Durability.STRICT, **changes):
    return assess(status(**changes), durability).confirmation


def test_a_server_that_syncs_before_it_answers_needs_no_further_word():
    assert confirmation() is Confirmation.REPLY


def test_a_server_that_syncs_late_is_asked_whether_the_write_is_on_disk():
    assert confirmation(fsync="everysec") is Confirmation.WAITAOF
    assert confirmation(fsync="everysec", flavour="redis", version="7.2.0") is Confirmation.WAITAOF


def test_with_replicas_one_of_them_must_have_the_write_too():
    found = assess(status(replicas=1), Durability.STRICT)
    assert confirmation_commands(found, 500) == (["WAIT", "1", "500"],)


def test_with_replicas_a_server_that_syncs_late_is_asked_for_both():
    found = assess(status(replicas=1, fsync="everysec"), Durability.STRICT)
    assert confirmation_commands(found, 500) == (
        ["WAITAOF", "1", "0", "500"],
        ["WAIT", "1", "500"],
    )


def test_a_replica_that_is_away_counts_until_the_server_is_another():
    both = assess(status(replicas=1), Durability.STRICT)
    alone = assess(status(replicas=0), Durability.STRICT)
    promoted = assess(status(replicas=0, server_id="another"), Durability.STRICT)
    assert both.renewed(alone) == both
    assert alone.renewed(both) == both
    assert both.renewed(promoted) == promoted


def test_an_old_server_with_a_replica_waits_for_it():
    assert confirmation(flavour="redis", version="7.0.15", replicas=1) is Confirmation.WAIT


def test_a_server_that_could_forget_a_start_is_refused_with_the_commands_that_mend_it():
    with pytest.raises(LedgerMisconfigured, match="CONFIG SET appendonly yes"):
        confirmation(aof_enabled=False)


def test_relaxed_durability_is_taken_at_its_word():
    assert confirmation(Durability.RELAXED, aof_enabled=False) is Confirmation.NONE


def test_a_server_that_evicts_is_refused_with_the_command_that_mends_it():
    with pytest.raises(LedgerMisconfigured, match="CONFIG SET maxmemory-policy noeviction"):
        confirmation(eviction_policy="allkeys-lru")


@pytest.mark.parametrize("info", [{"redis_version": "6.2.14"}, {}])
def test_a_server_without_functions_is_refused(info):
    with pytest.raises(LedgerMisconfigured, match=r"Redis 7\.0"):
        check_version(info)


@pytest.mark.parametrize(
    ("command", "reply", "confirmed"),
    [
        (["WAITAOF", "1", "0", "500"], [1, 0], True),
        (["WAITAOF", "1", "0", "500"], [0, 0], False),
        (["WAITAOF", "1", "1", "500"], [1, 0], False),
        (["WAIT", "1", "500"], 1, True),
        (["WAIT", "1", "500"], 0, False),
    ],
)
def test_a_confirmation_counts_only_when_every_copy_exists(command, reply, confirmed):
    assert is_confirmed(command, reply) is confirmed


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis//x", ""])
def test_an_address_that_is_none_is_refused_with_the_form_it_should_have(url):
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        RedisLedger.from_settings(LedgerSettings(redis_url=url))
