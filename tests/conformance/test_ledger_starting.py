"""Starting: claim and begin in one step, and the submission of a producer's run with them."""

from __future__ import annotations

from conformance.ledgers import LOCK, WORKER, LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import StartReply, Verdict
from singletrack.policies import Policy
from singletrack.run import Door

# --- a run that is recorded -----------------------------------------------------------------------


def test_starting_takes_a_ready_run_and_begins_it(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", timeout_seconds=3.5, soft_timeout_seconds=1.25)
    reply = ledger.start("a", "n")
    run = ledger.run("a")
    assert (reply.verdict, reply.state) == (Verdict.OK, State.RUNNING)
    assert reply.grant == ops.Grant(
        run_id="a",
        nonce="n",
        token=run.token,
        lock=LOCK,
        attempt=1,
        timeout_seconds=3.5,
        soft_timeout_seconds=1.25,
        door=run.spec.door,
    )
    assert (run.state, run.attempt, run.nonce) == (State.RUNNING, 1, "n")
    assert (run.worker, run.lease_seq) == (WORKER, 1)
    assert run.started_at is not None
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=run.token)
    assert [lease.run_id for lease in ledger.execute(ops.ListLeases())] == ["a"]


def test_starting_leaves_what_claiming_and_beginning_leave(ledger: LedgerUnderTest) -> None:
    for run_id, lock in (("a", "default/one"), ("b", "default/two")):
        ledger.submit(run_id, lock=lock)
    ledger.start("a", "n")
    ledger.begin(ledger.claim("b"))
    one, two = ledger.run("a"), ledger.run("b")
    same = ("state", "attempt", "lease_seq", "worker", "publications", "cancellation")
    assert [getattr(one, name) for name in same] == [getattr(two, name) for name in same]
    assert two.token > one.token


def test_a_started_run_is_neither_due_nor_waiting(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", start_deadline_seconds=0.0)
    ledger.start("a")
    assert ledger.due() == []
    assert ledger.execute(ops.ListOverdue()) == ()


def test_a_repeated_start_gets_the_same_grant_and_writes_again(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    first = ledger.start("a", "n")
    before = ledger.run("a")
    assert ledger.start("a", "n") == first
    after = ledger.run("a")
    assert (after.attempt, after.started_at) == (1, before.started_at)
    assert after.revision > before.revision


def test_a_duplicate_message_starts_nothing(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.start("a", "n")
    assert ledger.start("a", "m") == StartReply(verdict=Verdict.DROP, state=State.RUNNING)
    assert ledger.run("a").nonce == "n"


def test_a_waiting_run_is_not_started(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    assert ledger.start("b") == StartReply(verdict=Verdict.DROP, state=State.QUEUED)


def test_a_finished_run_is_not_started(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    for nonce in (grant.nonce, "another"):
        reply = ledger.start("a", nonce)
        assert reply == StartReply(verdict=Verdict.DROP, state=State.SUCCEEDED)


def test_a_run_without_a_record_is_unknown(ledger: LedgerUnderTest) -> None:
    assert ledger.start("a") == StartReply(verdict=Verdict.UNKNOWN)


def test_nothing_starts_until_the_server_is_blessed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.restart()
    assert ledger.start("a", "n") == StartReply(verdict=Verdict.RECOVERING, state=State.READY)
    ledger.bless()
    assert ledger.start("a", "n").verdict is Verdict.OK


def test_a_start_is_not_confirmed_again_while_the_server_is_unblessed(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    ledger.start("a", "n")
    ledger.restart()
    assert ledger.start("a", "n") == StartReply(verdict=Verdict.RECOVERING, state=State.RUNNING)


def test_a_run_that_was_cancelled_before_never_starts(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.cancel("a")
    assert ledger.start("a") == StartReply(verdict=Verdict.DROP, state=State.CANCELLED)


def test_a_repeated_start_of_a_run_that_was_cancelled_since_says_so(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    ledger.start("a", "n")
    ledger.cancel("a")
    before = ledger.run("a")
    assert ledger.start("a", "n") == StartReply(verdict=Verdict.CANCEL, state=State.RUNNING)
    assert ledger.run("a") == before


def test_a_start_of_a_claimed_run_by_its_own_claim_begins_it(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    reply = ledger.start("a", grant.nonce)
    assert (reply.verdict, reply.grant) == (Verdict.OK, grant)
    assert ledger.run("a").attempt == 1


def test_a_started_run_whose_code_did_not_run_goes_back_and_starts_again(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a", push=True)
    grant = ledger.start("a", "n").grant
    assert grant
    ledger.not_started(grant)
    assert (ledger.run("a").state, ledger.run("a").attempt) == (State.READY, 0)
    assert ledger.messages() == ["to a", "to a"]
    again = ledger.start("a", "m").grant
    assert again
    assert (again.attempt, again.token > grant.token) == (1, True)


def test_a_run_that_is_handed_back_too_often_fails(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    for number in range(21):
        grant = ledger.start("a", f"n{number}").grant
        assert grant
        ledger.not_started(grant)
    run = ledger.run("a")
    assert run.state is State.FAILED
    assert run.failure
    assert run.failure.reason == "StartFailed"


def test_a_durable_start_answers_like_any_other(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    operation = ops.Start(run_id="a", nonce="n", worker=WORKER)
    assert ledger.ledger.execute_durably(operation).verdict is Verdict.OK


def test_a_durable_start_may_be_sent_first_and_its_answer_read_later(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    answer = ledger.ledger.ask_durably(ops.Start(run_id="a", nonce="n", worker=WORKER))
    assert ledger.execute(ops.ListTasks()) == {}  # another call in between
    assert answer().verdict is Verdict.OK
    assert ledger.state("a") is State.RUNNING


# --- a producer's run -----------------------------------------------------------------------------


def test_a_producers_run_is_recorded_and_started_at_once(ledger: LedgerUnderTest) -> None:
    reply = ledger.start_new("a", "n", start_deadline_seconds=0.0, soft_timeout_seconds=9.0)
    run = ledger.run("a")
    assert reply == StartReply(
        verdict=Verdict.OK,
        state=State.RUNNING,
        grant=ops.Grant(
            run_id="a",
            nonce="n",
            token=run.token,
            lock=LOCK,
            attempt=1,
            soft_timeout_seconds=9.0,
            door=Door.PRODUCER,
        ),
    )
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=run.token)
    assert ledger.execute(ops.ListOverdue()) == ()
    assert run.ready_at is not None


def test_a_run_that_started_when_it_was_recorded_is_not_published(ledger: LedgerUnderTest) -> None:
    ledger.start_new("a")
    assert ledger.messages() == []
    assert ledger.due() == []


def test_a_run_that_started_when_it_was_recorded_and_was_handed_back_is_published(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.start_new("a").grant
    assert grant
    ledger.not_started(grant)
    assert ledger.messages() == ["to a"]


def test_a_producers_run_whose_lock_is_held_is_parked(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert ledger.start_new("b") == StartReply(verdict=Verdict.DROP, state=State.QUEUED)
    assert ledger.lock().waiting == ("b",)


def test_a_producers_run_may_be_refused(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    reply = ledger.start_new("b", policy=Policy.REJECT)
    assert reply == StartReply(verdict=Verdict.DROP, state=State.REJECTED)


def test_an_unblessed_server_records_a_producers_run_and_does_not_start_it(
    ledger: LedgerUnderTest,
) -> None:
    ledger.restart()
    reply = ledger.start_new("a")
    assert reply == StartReply(verdict=Verdict.RECOVERING, state=State.READY)
    assert ledger.messages() == ["to a"]


def test_a_producers_start_whose_answer_was_lost_gets_its_grant_again(
    ledger: LedgerUnderTest,
) -> None:
    assert ledger.start_new("a", "n") == ledger.start_new("a", "n")
    assert ledger.run("a").attempt == 1


def test_the_same_message_at_another_worker_starts_nothing(ledger: LedgerUnderTest) -> None:
    ledger.start_new("a", "n")
    assert ledger.start_new("a", "m") == StartReply(verdict=Verdict.DROP, state=State.RUNNING)


def test_a_producers_message_that_comes_again_after_it_was_handed_back_starts_the_run(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.start_new("a", "n").grant
    assert grant
    ledger.not_started(grant)
    assert ledger.start_new("a", "m").verdict is Verdict.OK


def test_the_id_of_another_run_is_a_conflict(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    reply = ledger.start_new("a", task="another")
    assert reply == StartReply(verdict=Verdict.CONFLICT, state=State.READY)
