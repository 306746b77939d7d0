"""Beginning: the last step before user code, at most once per attempt; progress from then on."""

from __future__ import annotations

from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import BeginReply, Verdict
from singletrack.run import Progress


def test_beginning_counts_the_attempt_and_the_time(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.OK, attempt=1)
    run = ledger.run("a")
    assert (run.state, run.attempt) == (State.RUNNING, 1)
    assert run.started_at is not None
    assert run.started_at >= run.submitted_at


def test_a_repeated_begin_writes_again_and_starts_nothing(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    before = ledger.run("a")
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.OK, attempt=1)
    after = ledger.run("a")
    assert (after.attempt, after.started_at) == (1, before.started_at)
    assert after.revision > before.revision


def test_a_durable_begin_answers_like_any_other(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    operation = ops.Begin(run_id="a", nonce=grant.nonce)
    assert ledger.ledger.execute_durably(operation) == BeginReply(verdict=Verdict.OK, attempt=1)


def test_only_the_current_claim_begins(ledger: LedgerUnderTest) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    assert ledger.begin(old) == BeginReply(verdict=Verdict.DROP)
    current = ledger.claim("a")
    assert ledger.begin(old) == BeginReply(verdict=Verdict.DROP)
    assert ledger.state("a") is State.CLAIMED
    assert ledger.begin(current).verdict is Verdict.OK


def test_a_run_nobody_has_claimed_does_not_begin(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert ledger.execute(ops.Begin(run_id="a", nonce="")) == BeginReply(verdict=Verdict.DROP)
    assert ledger.state("a") is State.READY


def test_a_finished_run_never_begins_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.DROP)
    assert ledger.state("a") is State.SUCCEEDED


def test_an_unknown_run_does_not_begin(ledger: LedgerUnderTest) -> None:
    reply = ledger.execute(ops.Begin(run_id="nobody", nonce="n"))
    assert reply == BeginReply(verdict=Verdict.DROP)


def test_nothing_begins_until_the_server_is_blessed(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    ledger.restart()
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.RECOVERING)
    assert ledger.state("a") is State.CLAIMED
    ledger.bless()
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.OK, attempt=1)


def test_a_claimed_run_that_was_cancelled_ends_without_starting(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    ledger.submit("b")
    ledger.cancel("a", by="bob", reason="wrong month")
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.CANCEL)
    run = ledger.run("a")
    assert (run.state, run.attempt, run.started_at) == (State.CANCELLED, 0, None)
    assert run.failure is not None
    assert (run.failure.reason, run.failure.message) == ("Cancelled", "wrong month")
    assert ledger.lock().owner == "b"


def test_a_repeated_begin_of_a_run_cancelled_since_changes_nothing(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.cancel("a")
    before = ledger.run("a")
    assert ledger.begin(grant) == BeginReply(verdict=Verdict.CANCEL)
    assert ledger.run("a") == before
    assert ledger.lock().owner == "a"


# --- progress -------------------------------------------------------------------------------------


def report(ledger: LedgerUnderTest, run_id: str, nonce: str, progress: Progress) -> Verdict:
    return ledger.execute(ops.Report(run_id=run_id, nonce=nonce, progress=progress))


def test_a_running_run_reports_how_far_it_is(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    before = ledger.run("a")
    progress = Progress(current=3, total=10, message="lädt…")
    assert report(ledger, "a", grant.nonce, progress) is Verdict.OK
    run = ledger.run("a")
    assert run.progress == progress
    assert run.revision == before.revision + 1


def test_a_total_may_be_unknown(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    report(ledger, "a", grant.nonce, Progress(current=0.5))
    assert ledger.run("a").progress == Progress(current=0.5, total=None, message="")


def test_progress_of_another_claim_is_dropped(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    assert report(ledger, "a", "another", Progress(current=1)) is Verdict.DROP
    assert ledger.run("a").progress is None


def test_progress_of_a_run_that_does_not_run_is_dropped(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    assert report(ledger, "a", grant.nonce, Progress(current=1)) is Verdict.DROP
    done = ledger.finished("b", lock="default/other")
    assert report(ledger, "b", done.nonce, Progress(current=1)) is Verdict.DROP
    assert report(ledger, "nobody", "n", Progress(current=1)) is Verdict.DROP


def test_the_holder_of_a_lock_is_the_run_that_runs(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=grant.token)
