"""The agent's decisions, without a process, a socket or a clock."""

from math import inf

import pytest

from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import (
    Cause,
    ChildGone,
    Finish,
    Grant,
    LeaseAnswer,
    RenewReply,
    Verdict,
)
from singletrack.run import Cancellation, Outcome
from singletrack.settings import LeaseSettings
from singletrack.specification import write_outcome
from singletrack_worker.agent.bindings import Kill, Stage, Sweep, Terminate, Warn
from singletrack_worker.agent.messages import Bind, Bound, Refused, Started
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table

RULES = Rules(lease=30, fence=8, renew=5, patience=75, timeout_grace=10)
CHILD, OTHER = 100, 200


def bind(table, nonce="n", *, child=CHILD, sent_at=0.0, spec="", now=1.0):
    return table.bind(
        child, Bind(run_id=f"run-{nonce}", nonce=nonce, sent_at=sent_at, spec=spec), now
    )


def start(table, nonce="n", *, child=CHILD, timeout_seconds=None, soft=None, now=2.0):
    grant = Grant(
        run_id=f"run-{nonce}",
        nonce=nonce,
        token=1,
        lock="l",
        attempt=1,
        timeout_seconds=timeout_seconds,
        soft_timeout_seconds=soft,
    )
    table.start(child, Started(grant=grant), now)


def answer(verdict, nonce="n", grace=None):
    cancellation = None if grace is None else Cancellation(by="t", grace_seconds=grace)
    return LeaseAnswer(
        run_id=f"run-{nonce}", nonce=nonce, verdict=verdict, cancellation=cancellation
    )


def renewed(table, at, *answers, blessed=True):
    table.renewed(at, RenewReply(blessed=blessed, answers=answers), at + 0.01)


@pytest.fixture
def table():
    return Table(RULES)


@pytest.fixture
def bound(table):
    assert bind(table, spec="the specification") == Bound(deadline=22.0)
    return table


@pytest.fixture
def started(bound):
    start(bound)
    return bound


@pytest.fixture
def leaving(started):
    assert started.leave(CHILD, "n", now=3.0) is None
    return started


def report_of(table, now):
    found = table.next_report(now)
    return found and found[1]


class TestBinding:
    def test_the_deadline_counts_from_before_the_start_was_sent(self, table):
        assert bind(table, sent_at=0.5, now=11.0) == Bound(deadline=22.5)

    def test_a_moment_in_the_future_is_not_believed(self, table):
        assert bind(table, sent_at=1000.0, now=1.0) == Bound(deadline=23.0)

    def test_a_claim_older_than_its_lease_is_refused(self, table):
        assert isinstance(bind(table, now=22.0), Refused)
        assert len(table) == 0

    def test_a_repeated_bind_of_the_same_child_answers_the_same(self, bound):
        assert bind(bound, sent_at=3.0, now=3.0) == Bound(deadline=22.0)

    def test_a_claim_belongs_to_one_child(self, bound):
        assert isinstance(bind(bound, child=OTHER), Refused)

    def test_a_child_that_still_executes_a_run_gets_no_other(self, started):
        assert isinstance(bind(started, "m", now=3.0), Refused)

    def test_a_child_that_asks_for_another_run_has_given_up_what_it_had_bound(self, bound):
        assert isinstance(bind(bound, "m", now=3.0), Bound)
        assert [binding.nonce for binding in bound] == ["m"]

    def test_a_claim_is_not_renewed_before_the_ledger_has_answered_the_child(self, bound):
        assert bound.leases() == ()
        start(bound)
        assert bound.leases() == (("run-n", "n"),)


class TestStarting:
    def test_only_the_bound_child_may_start(self, bound):
        start(bound, child=OTHER)
        assert bound["n"].stage is Stage.BOUND

    def test_it_starts_once(self, started):
        start(started, timeout_seconds=1.0, now=3.0)
        assert started.next_moment() == 22.0

    def test_what_is_being_killed_does_not_start(self, bound):
        bound.due(22.0)
        start(bound, now=22.0)
        assert bound["n"].stage is Stage.DYING

    def test_a_child_that_gives_the_run_back_is_free(self, bound):
        bound.left(CHILD, "n", "", 3.0)
        assert len(bound) == 0


class TestLeases:
    def test_a_renewal_moves_the_deadline_from_when_it_was_sent(self, started):
        renewed(started, 10.0, answer(Verdict.OK))
        assert started.next_moment() == 32.0

    def test_an_answer_that_was_sent_earlier_moves_nothing_back(self, started):
        renewed(started, 10.0, answer(Verdict.OK))
        renewed(started, 5.0, answer(Verdict.OK))
        assert started.next_moment() == 32.0

    def test_at_the_deadline_everything_is_killed(self, started):
        assert started.due(21.9) == []
        assert started.due(22.0) == [Kill("n")]

    def test_a_fenced_run_is_reported_after_it_is_dead(self, started):
        started.due(22.0)
        assert started.next_report(22.0) is None
        started.buried("n", 22.1)
        report = report_of(started, 22.1)
        assert isinstance(report, ChildGone)
        assert report.cause is Cause.FENCED

    def test_what_could_not_be_killed_is_tried_again_and_renewed_meanwhile(self, started):
        assert started.due(22.0) == [Kill("n")]
        assert started.due(22.01) == []
        assert started.next_moment() == 22.05
        assert started.due(22.05) == [Kill("n")]
        assert started.leases() == (("run-n", "n"),)

    def test_a_renewal_that_comes_after_the_deadline_saves_nobody(self, started):
        started.due(22.0)
        renewed(started, 21.9, answer(Verdict.OK))
        assert started["n"].stage is Stage.DYING

    def test_of_a_fenced_run_that_may_have_started_the_ledger_knows_more(self, bound):
        assert bound.due(22.0) == [Kill("n")]
        bound.buried("n", 22.1)
        assert report_of(bound, 22.1) == ChildGone(
            run_id="run-n",
            nonce="n",
            cause=Cause.FENCED,
            message="stopped because the lease could not be renewed",
        )

    def test_a_lost_lease_kills(self, started):
        renewed(started, 5.0, answer(Verdict.DROP))
        assert started.next_moment() <= 5.12
        assert started.due(5.12) == [Kill("n")]

    def test_a_child_that_has_just_ended_the_run_itself_is_not_killed_for_it(self, started):
        renewed(started, 5.0, answer(Verdict.DROP))
        assert started.due(5.05) == []
        started.left(CHILD, "n", "", 5.06)
        assert started.due(6.0) == []
        assert len(started) == 0

    def test_a_record_that_an_unblessed_server_has_lost_does_not_kill_before_the_deadline(
        self, started
    ):
        renewed(started, 5.0, answer(Verdict.DROP), blessed=False)
        assert started.due(21.9) == []
        assert started.forgotten() is started["n"]
        started.told("n", 6.0, accepted=True)
        assert started.forgotten() is None
        assert started.due(22.0) == [Kill("n")]

    def test_a_run_that_has_ended_meanwhile_is_not_reasserted(self, started):
        renewed(started, 5.0, answer(Verdict.DROP), blessed=False)
        started.leave(CHILD, "n", 6.0)
        started.left(CHILD, "n", "", 3.0)
        assert started.forgotten() is None

    def test_an_answer_for_a_run_that_is_gone_is_ignored(self, table):
        renewed(table, 5.0, answer(Verdict.CANCEL, grace=0.0))
        assert table.due(5.1) == []

    def test_the_guard_learns_the_earliest_deadline(self, started):
        bind(started, "m", child=OTHER, sent_at=5.0, now=5.0)
        assert started.earliest_deadline() == 22.0
        started.left(OTHER, "m", "", 6.0)
        started.leave(CHILD, "n", 3.0)
        assert started.earliest_deadline() == inf


class TestCancelling:
    def test_a_cancel_asks_the_child_first_and_kills_after_the_grace(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=3.0))
        assert started.due(5.1) == [Terminate("n")]
        assert started.next_moment() == pytest.approx(8.01)
        assert started.due(8.0) == []
        assert started.due(8.01) == [Kill("n")]

    def test_the_child_is_asked_once(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=30.0))
        started.due(5.1)
        renewed(started, 10.0, answer(Verdict.CANCEL, grace=30.0))
        assert started.due(10.1) == []

    def test_a_more_patient_repetition_does_not_put_off_the_kill(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=3.0))
        renewed(started, 7.0, answer(Verdict.CANCEL, grace=30.0))
        assert Kill("n") in started.due(8.01)

    def test_a_shorter_grace_counts_from_when_it_was_heard(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=30.0))
        assert started.due(5.1) == [Terminate("n")]
        renewed(started, 6.0, answer(Verdict.CANCEL, grace=1.0))
        assert started.next_moment() == pytest.approx(7.01)
        assert started.due(7.01) == [Kill("n")]

    def test_a_forced_cancel_of_a_run_that_is_being_stopped_kills_at_once(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=30.0))
        started.due(5.1)
        renewed(started, 6.0, answer(Verdict.CANCEL, grace=0.0))
        assert started.due(6.01) == [Kill("n")]
        assert started.why("n") is Cause.CANCELLED

    def test_a_cancel_without_grace_kills_at_once(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=0.0))
        assert started.due(5.0) == [Kill("n")]

    def test_a_run_being_cancelled_keeps_its_lease(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=60.0))
        started.due(5.0)
        assert started.leases() == (("run-n", "n"),)
        assert started["n"].deadline == 27.0

    def test_a_cancelled_run_that_ends_by_itself_is_cancelled(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=60.0))
        started.child_died(CHILD, Exit(code=1))
        assert started.due(5.1)[-1] == Kill("n")
        started.buried("n", 5.2)
        assert report_of(started, 5.2).cause is Cause.CANCELLED

    def test_a_cancelled_run_that_outlives_its_lease_is_cancelled(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=60.0))
        started.due(5.1)
        assert started.due(27.0) == [Kill("n")]
        started.buried("n", 27.1)
        assert report_of(started, 27.1).cause is Cause.CANCELLED


class TestSoftTimeouts:
    @pytest.fixture
    def limited(self, bound):
        start(bound, timeout_seconds=10.0, soft=4.0)
        renewed(bound, 5.0, answer(Verdict.OK))
        return bound

    def test_the_child_is_told_once_when_it_is_over(self, limited):
        assert limited.next_moment() == 6.0
        assert limited.due(5.9) == []
        assert limited.due(6.0) == [Warn("n")]
        assert limited.due(6.1) == []

    def test_the_other_limit_follows(self, limited):
        limited.due(6.0)
        assert limited.next_moment() == 12.0
        assert limited.due(12.0) == [Terminate("n")]

    def test_it_does_not_stop_the_run(self, limited):
        limited.due(6.0)
        assert limited.why("n") is None

    def test_a_run_that_is_being_stopped_is_not_told(self, limited):
        renewed(limited, 5.5, answer(Verdict.CANCEL, grace=60.0))
        assert limited.due(5.6) == [Terminate("n")]
        assert limited.due(6.0) == []

    def test_after_a_sleep_of_the_machine_the_other_limit_alone_counts(self, limited):
        assert limited.due(12.0) == [Terminate("n")]
        assert limited.due(12.1) == []

    def test_a_run_whose_code_has_returned_is_not_told(self, limited):
        limited.leave(CHILD, "n", 5.5)
        assert Warn("n") not in limited.due(6.0)

    def test_a_run_that_is_over_is_not_told(self, limited):
        limited.left(CHILD, "n", "", 5.5)
        assert limited.due(6.0) == []


class TestTimeouts:
    @pytest.fixture
    def limited(self, bound):
        start(bound, timeout_seconds=10.0)
        renewed(bound, 5.0, answer(Verdict.OK))
        return bound

    def test_the_time_counts_from_the_start(self, limited):
        assert limited.next_moment() == 12.0
        assert limited.due(11.9) == []
        assert limited.due(12.0) == [Terminate("n")]

    def test_after_the_grace_it_is_killed_and_timed_out(self, limited):
        limited.due(12.0)
        assert limited.next_moment() == 22.0
        assert limited.due(22.0) == [Kill("n")]
        limited.buried("n", 22.1)
        report = report_of(limited, 22.1)
        assert report.cause is Cause.TIMED_OUT
        assert report.message == "stopped because its time was over"

    def test_a_cancel_can_make_it_quicker_but_the_time_was_over_first(self, limited):
        limited.due(12.0)
        renewed(limited, 13.0, answer(Verdict.CANCEL, grace=0.0))
        assert limited.due(13.1) == [Kill("n")]
        assert limited.why("n") is Cause.TIMED_OUT

    def test_a_run_that_returned_in_time_is_left_alone(self, limited):
        limited.leave(CHILD, "n", 11.0)
        limited.swept("n")
        assert limited.due(15.0) == []

    @pytest.mark.parametrize(("cancel_grace", "grace"), [(0.0, 0.0), (4.0, 4.0), (30.0, 10.0)])
    def test_its_grace_is_that_of_a_cancel_but_at_most_ten_seconds(self, cancel_grace, grace):
        assert Rules.of(LeaseSettings(), cancel_grace).timeout_grace == grace


class TestLeaving:
    def test_what_is_left_behind_is_swept_away(self, leaving):
        assert leaving.due(3.0) == [Sweep("n")]
        assert leaving.due(3.01) == []
        assert leaving.due(3.05) == [Sweep("n")]
        assert leaving.swept("n") is None
        assert leaving.due(4.0) == []

    def test_the_child_is_told_why_it_was_being_stopped_and_is_not_killed_any_more(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=3.0))
        started.due(5.1)
        started.leave(CHILD, "n", 6.0)
        assert started.due(6.0) == [Sweep("n")]
        assert started.swept("n") is Cause.CANCELLED
        assert started.due(20.0) == []
        assert started.leases() == (("run-n", "n"),)

    def test_a_cancel_that_comes_then_is_too_late(self, leaving):
        leaving.swept("n")
        renewed(leaving, 5.0, answer(Verdict.CANCEL, grace=0.0))
        assert leaving.due(5.1) == []
        assert leaving.why("n") is None

    def test_a_renewal_that_crossed_the_childs_finish_does_not_kill_it(self, leaving):
        leaving.swept("n")
        renewed(leaving, 5.0, answer(Verdict.DROP))
        assert leaving.due(5.1) == []

    def test_a_result_may_wait_for_the_ledger_beyond_the_deadline(self, leaving):
        leaving.swept("n")
        assert leaving.due(30.0) == []

    def test_but_not_for_ever(self, leaving):
        leaving.swept("n")
        assert leaving.next_moment() == 78.0
        assert leaving.due(78.0) == [Kill("n")]
        leaving.buried("n", 78.1)
        report = report_of(leaving, 78.1)
        assert report.cause is Cause.DIED
        assert report.message == "killed because it hung after its code had returned"

    def test_when_the_ledger_has_answered_the_run_is_forgotten(self, leaving):
        leaving.swept("n")
        leaving.left(CHILD, "n", "", 3.0)
        assert len(leaving) == 0
        assert leaving.next_moment() == inf

    def test_a_child_that_asks_again_is_swept_again(self, leaving):
        assert leaving.due(3.0) == [Sweep("n")]
        leaving.swept("n")
        assert leaving.due(4.0) == []
        assert leaving.leave(CHILD, "n", 4.0) is None
        assert leaving.due(4.0) == [Sweep("n")]

    def test_only_its_own_child_may_leave(self, started):
        assert isinstance(started.leave(OTHER, "n", 3.0), Refused)
        started.left(OTHER, "n", "", 3.0)
        assert len(started) == 1


class TestStarving:
    """The kernel has killed somebody for want of memory since the run was bound."""

    def report(self, table, how, words="by the kernel"):
        table.child_died(CHILD, how, words)
        table.due(5.0)
        table.buried("n", 5.0)
        return report_of(table, 5.3)

    @pytest.mark.parametrize("how", [Exit(signal="SIGKILL"), None])
    def test_a_sigkill_that_is_nobodys_is_the_kernels(self, started, how):
        report = self.report(started, how)
        assert (report.cause, report.message) == (Cause.OUT_OF_MEMORY, "by the kernel")
        assert report.exit == how
        failure = started["n"].outcome().failure
        assert (failure.reason, failure.exit) == ("OOMKilled", how)

    @pytest.mark.parametrize("how", [Exit(code=1), Exit(signal="SIGSEGV")])
    def test_another_end_is_not(self, started, how):
        report = self.report(started, how)
        assert (report.cause, report.message, report.exit) == (Cause.DIED, str(how), how)

    def test_what_main_says_later_counts_as_well(self, started):
        started.child_died(CHILD, None, "by the kernel")
        started.due(5.0)
        started.buried("n", 5.0)
        started.exit_known(CHILD, Exit(code=1), 5.1)
        assert report_of(started, 5.1).cause is Cause.DIED

    def test_a_run_that_the_agent_was_killing_was_killed_by_the_agent(self, started):
        renewed(started, 5.0, answer(Verdict.CANCEL, grace=0.0))
        report = self.report(started, Exit(signal="SIGKILL"))
        assert (report.cause, report.exit) == (Cause.CANCELLED, None)


class TestDying:
    def test_a_child_that_hangs_before_user_code_dies_with_its_lease(self, bound):
        assert bound.next_moment() == 22.0
        assert bound.due(21.9) == []
        assert bound.due(22.0) == [Kill("n")]

    def test_a_dead_childs_descendants_are_killed_before_the_report(self, started):
        started.child_died(CHILD, Exit(code=1))
        assert started.next_report(5.0) is None
        assert started.due(5.0) == [Kill("n")]
        started.buried("n", 5.1)
        assert report_of(started, 5.1) == ChildGone(
            run_id="run-n", nonce="n", cause=Cause.DIED, message="exit code 1", exit=Exit(code=1)
        )

    def test_the_report_waits_a_moment_for_main_to_say_how_the_child_ended(self, started):
        started.child_died(CHILD, None)
        started.due(5.0)
        started.buried("n", 5.0)
        assert started.next_report(5.1) is None
        assert started.next_report_moment() == 5.2
        started.exit_known(CHILD, Exit(signal="SIGSEGV"), 5.1)
        assert report_of(started, 5.1).message == "killed by SIGSEGV"

    def test_the_report_does_not_wait_for_ever(self, started):
        started.child_died(CHILD, None)
        started.due(5.0)
        started.buried("n", 5.0)
        assert report_of(started, 5.2).message == "the process ended and nobody has seen how"

    def test_what_main_says_of_a_living_child_is_not_believed(self, started):
        started.exit_known(CHILD, Exit(code=7), 4.0)
        started.child_died(CHILD, Exit(code=1))
        started.buried("n", 5.0)
        assert report_of(started, 5.0).message == "exit code 1"

    def test_a_child_without_a_run_dies_unnoticed(self, started):
        started.child_died(OTHER, Exit(code=0))
        assert started.due(5.0) == []

    def test_main_takes_everybody_along(self, started):
        bind(started, "m", child=OTHER, now=2.0)
        started.abandon("main died")
        assert started.due(3.0) == [Kill("n"), Kill("m")]
        started.buried("n", 3.1)
        report = report_of(started, 3.1)
        assert (report.cause, report.message) == (Cause.DIED, "main died")

    def test_a_report_is_repeated_ever_less_often_until_the_ledger_answers(self, started):
        started.child_died(CHILD, Exit(code=1))
        started.due(5.0)
        started.buried("n", 5.0)
        now, pauses = 5.0, []
        for _ in range(8):
            assert started.next_report(now) is not None
            started.report_failed("n", now)
            pauses.append(started.next_report_moment() - now)
            now = started.next_report_moment()
        assert pauses == sorted(pauses)
        assert pauses[-1] == pytest.approx(5.0)
        started.reported("n", None, 9.0)
        assert len(started) == 0
        assert started.next_report_moment() == inf

    def test_a_dead_run_is_not_renewed(self, started):
        started.child_died(CHILD, Exit(code=1))
        started.due(5.0)
        started.buried("n", 5.0)
        assert started.leases() == ()

    def test_a_new_child_with_the_pid_of_a_dead_one_is_another_child(self, started):
        started.child_died(CHILD, Exit(code=1))
        started.due(5.0)
        started.buried("n", 5.0)
        assert isinstance(bind(started, "m", sent_at=5.0, now=5.5), Bound)


class TestBequeathing:
    """User code has returned, but threads of it live on in the child."""

    OUTCOME = Outcome(state=State.SUCCEEDED, result="1")

    @pytest.fixture
    def dying(self, started):
        assert started.bequeath(CHILD, "n", write_outcome(self.OUTCOME), 3.0) is None
        return started

    def test_the_child_may_give_its_answer_and_is_killed_then(self, dying):
        moment = 3.0 + RULES.last_answer
        assert dying.due(moment - 0.01) == []
        assert dying.next_moment() == moment
        assert dying.due(moment) == [Kill("n")]

    def test_its_lease_is_kept_until_it_is_dead(self, dying):
        assert dying.leases() == (("run-n", "n"),)
        dying.due(4.0)
        assert dying.leases() == (("run-n", "n"),)

    @pytest.mark.parametrize("itself", [False, True])
    def test_the_ledger_is_told_how_the_run_ended_once_it_is_dead(self, dying, itself):
        if itself:
            dying.child_died(CHILD, Exit(code=0))
        dying.due(4.0)
        assert dying.next_report(4.0) is None
        dying.buried("n", 4.1)
        nonce, report = dying.next_report(5.0)
        assert report == Finish(run_id="run-n", nonce="n", outcome=self.OUTCOME)
        dying.reported(nonce, State.SUCCEEDED, 5.1)
        assert len(dying) == 0

    def test_only_its_own_child_may_do_so_and_only_with_an_outcome(self, started):
        assert isinstance(started.bequeath(OTHER, "n", write_outcome(self.OUTCOME), 3.0), Refused)
        assert isinstance(started.bequeath(CHILD, "n", "", 3.0), Refused)
        assert started["n"].stage is Stage.STARTED
