"""Projection: runs with a TaskRun are listed until it shows their latest revision."""

from __future__ import annotations

from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.run import Progress


def unprojected(ledger: LedgerUnderTest) -> tuple[str, ...]:
    return ledger.execute(ops.ListUnprojected())


def ack(ledger: LedgerUnderTest, run_id: str, revision: int) -> bool:
    return ledger.execute(ops.AckProjection(run_id=run_id, revision=revision))


def test_a_run_with_a_task_run_is_unprojected_from_the_start(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    assert unprojected(ledger) == ("a",)


def test_a_run_without_a_task_run_never_is(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    assert unprojected(ledger) == ()


def test_a_shown_revision_is_projected(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    assert ack(ledger, "a", ledger.run("a").revision)
    assert unprojected(ledger) == ()


def test_a_record_that_has_moved_on_stays_unprojected(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    shown = ledger.run("a").revision
    ledger.claim("a")
    assert not ack(ledger, "a", shown)
    assert unprojected(ledger) == ("a",)


def test_every_later_change_makes_it_unprojected_again(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    ack(ledger, "a", ledger.run("a").revision)
    grant = ledger.claim("a")
    assert unprojected(ledger) == ("a",)
    ack(ledger, "a", ledger.run("a").revision)
    ledger.begin(grant)
    ack(ledger, "a", ledger.run("a").revision)
    ledger.cancel("a")
    assert unprojected(ledger) == ("a",)


def test_renewing_and_publishing_are_nothing_to_show(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    ack(ledger, "a", ledger.run("a").revision)
    ledger.execute(ops.Published(run_id="a", publications=0))
    assert unprojected(ledger) == ()
    grant = ledger.claim("a")
    ack(ledger, "a", ledger.run("a").revision)
    ledger.execute(ops.Renew(agent="x", leases=(("a", grant.nonce),)))
    assert unprojected(ledger) == ()


def test_an_unknown_run_has_nothing_to_show(ledger: LedgerUnderTest) -> None:
    assert not ack(ledger, "nobody", 1)


def test_a_refused_run_is_shown_too(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b", name="monthly", max_queue=0)
    assert ledger.state("b") is State.REJECTED
    assert unprojected(ledger) == ("b",)


def test_the_oldest_change_is_listed_first_and_no_more_than_asked(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("busy", name="one", lock="default/1")
    ledger.execute(ops.Report(run_id="busy", nonce=grant.nonce, progress=Progress(current=1)))
    ledger.submit("later", name="two", lock="default/2")
    assert unprojected(ledger) == ("busy", "later")
    assert ledger.execute(ops.ListUnprojected(limit=1)) == ("busy",)


def test_the_revision_grows_by_one_with_every_change_a_reader_sees(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    revisions = [ledger.run("a").revision]
    grant = ledger.claim("a")
    revisions.append(ledger.run("a").revision)
    ledger.begin(grant)
    revisions.append(ledger.run("a").revision)
    ledger.cancel("a")
    revisions.append(ledger.run("a").revision)
    ledger.finish(grant, State.CANCELLED)
    revisions.append(ledger.run("a").revision)
    assert revisions == [1, 2, 3, 4, 5]
