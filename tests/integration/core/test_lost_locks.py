"""A server that has lost the key of a lock, as one that evicts may: no run takes another's lock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance.ledgers import LOCK, OnServer
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import Verdict


@pytest.fixture
def ledger(valkey: RedisServer, key_prefix: str) -> Iterator[OnServer]:
    found = OnServer(valkey, key_prefix)
    yield found
    found.close()


def lose_the_lock(ledger: OnServer) -> None:
    assert ledger.client.delete(f"{ledger.keys.base}lock:{LOCK}") == 1


def test_a_run_that_waits_for_a_free_lock_gets_it(ledger: OnServer) -> None:
    ledger.running("a")
    ledger.submit("b")
    lose_the_lock(ledger)
    assert ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.state("b") is State.READY


def test_a_run_that_ends_leaves_the_lock_of_the_next_one_alone(ledger: OnServer) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    lose_the_lock(ledger)
    ledger.execute(ops.Promote(lock=LOCK))
    ledger.finish(grant)
    assert ledger.lock().owner == "b"


def test_a_run_whose_lock_is_another_ones_does_not_begin(ledger: OnServer) -> None:
    grant = ledger.claimed("a")
    ledger.submit("b")
    lose_the_lock(ledger)
    ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.begin(grant).verdict is Verdict.DROP


def test_a_run_whose_lock_is_another_ones_is_not_claimed(ledger: OnServer) -> None:
    ledger.submit("a")
    ledger.submit("b")
    lose_the_lock(ledger)
    ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.start("a").verdict is Verdict.DROP


def test_a_run_whose_lock_is_another_ones_does_not_start_by_its_claim(ledger: OnServer) -> None:
    grant = ledger.claimed("a")
    ledger.submit("b")
    lose_the_lock(ledger)
    ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.start("a", grant.nonce).verdict is Verdict.DROP


def test_a_run_whose_record_is_lost_does_not_keep_the_others_from_their_lock(
    ledger: OnServer,
) -> None:
    grant = ledger.running("a")
    for run_id in ("lost", "b"):
        ledger.submit(run_id)
    assert ledger.client.delete(f"{ledger.keys.base}run:lost") == 1
    assert ledger.finish(grant).verdict is Verdict.OK
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="b", token=0)


def test_a_run_whose_record_is_lost_is_not_listed_for_ever(ledger: OnServer) -> None:
    ledger.finished("a", ttl_seconds=0.0)
    assert ledger.client.delete(f"{ledger.keys.base}run:a") == 1
    assert ledger.execute(ops.ListForgettable()) == ("a",)
    ledger.execute(ops.Forget(run_id="a"))
    assert ledger.execute(ops.ListForgettable()) == ()
