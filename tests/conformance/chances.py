"""What the machine draws from: requests, actions and how often, and what fits when."""

from __future__ import annotations

from hypothesis import strategies as st

from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import Retry, RetryCause
from singletrack.run import Door

IDS = tuple("abcdefgh")
LOCKS = ("default/one", "default/two")
ENDS = (State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT)

#: Without a pause, so that the next attempt is there, and with one that is not over before the end.
RETRIES = (
    Retry(),
    Retry(limit=1, initial_seconds=0),
    Retry(limit=2, initial_seconds=0, causes=(RetryCause.ERROR, RetryCause.WORKER_LOST)),
    Retry(limit=1, initial_seconds=86_400, max_seconds=86_400),
)

#: More than can pass in an example.
KEPT_SECONDS = 10_000_000.0

requests = st.fixed_dictionaries(
    {
        "lock": st.sampled_from(LOCKS),
        "policy": st.sampled_from([Policy.QUEUE, *Policy]),
        "priority": st.sampled_from([0, 0, 5]),
        "priority_point_seconds": st.sampled_from([60.0, 60.0, 0.0]),
        "max_queue": st.sampled_from([None, None, 1]),
        "name": st.sampled_from(["", "a-task-run"]),
        "door": st.sampled_from(Door),
        "task": st.sampled_from(["registered", "unheard-of"]),
        "start_deadline_seconds": st.sampled_from([300.0, 0.0]),
        "queue_timeout_seconds": st.sampled_from([None, 0.0]),
        "ttl_seconds": st.sampled_from([KEPT_SECONDS, 86400.0, 0.0]),
        "on_lost": st.sampled_from([OnLost.RELEASE, OnLost.HOLD]),
        "retry": st.sampled_from(RETRIES),
        "tells_celery": st.booleans(),
    }
)

#: How often each comes up. They are one rule, because Hypothesis switches whole rules off, and the
#: life of a run needs most of them.
# fmt: off
WEIGHTS = {
    "submit": 5, "start": 5, "cancel": 1, "prioritise": 1, "repeat": 4,
    "claim": 4, "begin": 6, "finish": 4, "report": 2, "not_started": 1,
    "renew": 2, "child_gone": 1, "reassert": 3,
    "pause": 2, "resume": 3,
    "expire": 2, "confirm_dead": 1, "release": 1, "settle": 1,
    "expire_wait": 1, "published": 1, "show": 2, "forget": 2, "promote": 1, "add_up": 2,
    "pass_time": 2,
    "replicate": 2, "fail_over": 2, "restart": 1, "wipe": 2, "unbless": 1, "bless": 3,
}
# fmt: on
ACTIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]

#: Seconds: within a publication's patience and beyond it, a deadline, an hour, more than a day.
PASSING = (1, 15, 60, 300, 3_600, 100_000)

#: What an action needs to have an effect, and what is done first where there is no such run.
NEEDS = {
    "report": (State.RUNNING, "begin"),
    "finish": (State.RUNNING, "begin"),
    "begin": (State.CLAIMED, "claim"),
    "not_started": (State.CLAIMED, "claim"),
    "claim": (State.READY, "submit"),
}
picks = st.integers(min_value=0, max_value=63)
SELDOM = 54  # from here on a pick takes anything, fitting or not
details = st.integers(min_value=0, max_value=11)
