"""What a user may write in a TaskRun: every field of `spec`, its limits and its words.

A field is listed here when it works, not before. Optional fields without a default are decided by
the task, or by the platform's settings, when the run is submitted.
"""

from __future__ import annotations

from singletrack.custom_resource import MAX_REASON_LENGTH
from singletrack.custom_resource.fields import Field, Rule, text, whole_number
from singletrack.custom_resource.retry_field import RETRY
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.run import PRIORITIES, CancelMode

MAX_TASK_LENGTH = 253
MAX_QUEUE_LENGTH = 128
MAX_LOCK_LENGTH = 253
MAX_WAITING = 10_000
MOST_SECONDS = 30 * 86_400
MOST_TTL_SECONDS = 365 * 86_400

_FIXED = (
    "queue",
    "lock",
    "retry",
    "queueTimeoutSeconds",
    "startDeadlineSeconds",
    "timeoutSeconds",
    "softTimeoutSeconds",
)
"""Optional fields that may be left out, but not changed, added or removed later."""


def _fixed(name: str) -> Rule:
    return Rule(
        expression=f"has(self.{name}) == has(oldSelf.{name}) && "
        f"(!has(self.{name}) || self.{name} == oldSelf.{name})",
        message=f"{name} cannot be changed; create a new TaskRun instead",
        field_path=f".{name}",
    )


TASK = Field(
    name="task",
    text="The name of a registered task, as a worker announces it. A TaskRun that names a task "
    "no worker has registered stays Pending until one does, or until startDeadlineSeconds.",
    required=True,
    limits={"minLength": 1, "maxLength": MAX_TASK_LENGTH},
    rules=(
        Rule(
            expression="self == oldSelf",
            message="task cannot be changed; create a new TaskRun instead",
        ),
    ),
)

PARAMS = Field(
    name="params",
    text="The task's keyword arguments, checked against its signature before it starts. At most "
    "16 KiB as JSON: pass a reference to larger data.",
    type="object",
    limits={
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-map-type": "atomic",
    },
    rules=(
        Rule(
            expression="self == oldSelf",
            message="params cannot be changed; create a new TaskRun instead",
        ),
    ),
)

LOCK = Field(
    name="lock",
    text="The lock this run holds while it executes: at most one run per lock at a time.",
    type="object",
    fields=(
        text(
            "key",
            "Names the lock, within the namespace. It may be a template over the parameters, as "
            "in reports/{month}, filled in once when the run is submitted. If it is left out, the "
            "task's own lock is used, else the key `default`.",
            MAX_LOCK_LENGTH,
            minLength=1,
        ),
        Field(
            name="policy",
            text="What to do when another run holds the lock. Reject: refuse this run and name the "
            "holder. Queue: wait in line, by priority and arrival. QueueLatest: wait alone, "
            "whoever waited is superseded. Replace: cancel the holder and everybody waiting, then "
            "run. Join: end as Joined and stand for the holder. Skip: end as Skipped. If it is "
            "left out, the task decides, else Queue.",
            limits={"enum": [str(policy) for policy in Policy]},
        ),
        whole_number(
            "maxQueue",
            "With policy Queue: refuse this run if so many are waiting for the lock already.",
            0,
            MAX_WAITING,
        ),
        Field(
            name="onLost",
            text="What becomes of the lock when the worker of a started run is not heard of for "
            "longer than its lease. Release: the run ends as Lost and the lock moves on; a process "
            "that was frozen may overlap for a moment when it wakes up. Hold: the lock stays taken "
            "until the process is known to be dead or a human releases the lock. If it is left "
            "out, the task decides, else Release.",
            limits={"enum": [str(choice) for choice in OnLost]},
        ),
    ),
    rules=(
        Rule(
            expression="!has(self.maxQueue) || !has(self.policy) || self.policy == 'Queue'",
            message="lock.maxQueue needs lock.policy: Queue",
            field_path=".maxQueue",
        ),
    ),
)

CANCEL = Field(
    name="cancel",
    text="Asks the run to stop. It may be added at any time before the end (an empty object is "
    "enough). It cannot be withdrawn, only made harder: from Graceful to Force, or with a shorter "
    "grace period. Deleting the TaskRun asks the same.",
    type="object",
    fields=(
        Field(
            name="mode",
            text="Graceful: SIGTERM to the task, and SIGKILL to it and everything it has started "
            "when the grace period is over. Force: SIGKILL at once.",
            limits={
                "enum": [str(mode) for mode in CancelMode],
                "default": str(CancelMode.GRACEFUL),
            },
        ),
        whole_number(
            "gracePeriodSeconds",
            "How long the task may take to stop after SIGTERM, before it is killed with everything "
            "it has started; of no effect with mode Force. If it is left out, the platform's "
            "setting, normally 30.",
            0,
            86_400,
        ),
        text("reason", "Why, for those who read the status later.", MAX_REASON_LENGTH),
    ),
    rules=(
        Rule(
            expression="self.mode == oldSelf.mode || oldSelf.mode == 'Graceful'",
            message="cancel.mode can only be changed from Graceful to Force",
            field_path=".mode",
        ),
        Rule(
            expression="!has(oldSelf.gracePeriodSeconds) || (has(self.gracePeriodSeconds) && "
            "self.gracePeriodSeconds <= oldSelf.gracePeriodSeconds)",
            message="cancel.gracePeriodSeconds can only be shortened",
            field_path=".gracePeriodSeconds",
        ),
        Rule(
            expression="has(self.reason) == has(oldSelf.reason) && "
            "(!has(self.reason) || self.reason == oldSelf.reason)",
            message="cancel.reason cannot be changed once cancel is set",
            field_path=".reason",
        ),
    ),
)

SPEC = Field(
    name="spec",
    text="What to run, and how. It cannot be changed, but for cancel, ttlSecondsAfterFinished, "
    "and priority until the run has started; once the run has ended, not at all.",
    type="object",
    required=True,
    fields=(
        TASK,
        PARAMS,
        text(
            "queue",
            "The broker queue whose workers may execute the run. If it is left out, the task's "
            "queue, else the platform's default.",
            MAX_QUEUE_LENGTH,
            minLength=1,
            pattern="^[!-~]+$",
        ),
        whole_number(
            "priority",
            "Among runs that wait for one lock, the higher priority goes first; but waiting counts "
            "as well, normally a minute as much as one point. It may be changed until the start.",
            *PRIORITIES,
            default=0,
        ),
        LOCK,
        RETRY,
        CANCEL,
        whole_number(
            "queueTimeoutSeconds",
            "How long the run may wait for its lock; then it ends as Expired. If it is left out, "
            "there is no limit.",
            1,
            MOST_SECONDS,
        ),
        whole_number(
            "startDeadlineSeconds",
            "How long the run may wait for a worker, once it holds its lock, or for its task to be "
            "registered; then it ends as Expired. Waiting for the lock does not count. If it is "
            "left out, the platform's setting, normally 300.",
            1,
            MOST_SECONDS,
        ),
        whole_number(
            "timeoutSeconds",
            "How long the task's code may run, in each attempt, before it is stopped; the run then "
            "ends as TimedOut. "
            "If it is left out, the task decides, else there is no limit.",
            1,
            MOST_SECONDS,
        ),
        whole_number(
            "softTimeoutSeconds",
            "After how long the exception SoftTimeLimitExceeded is raised in the task's code, once "
            "in each attempt. The code may catch it, clean up and return; if it lets it out, the "
            "run ends as TimedOut with the reason SoftTimeout. Less than timeoutSeconds, which "
            "counts all the same. If it is left out, the task decides, else there is none.",
            1,
            MOST_SECONDS,
        ),
        whole_number(
            "ttlSecondsAfterFinished",
            "How long after its end the TaskRun is deleted, with its result. If it is left out, "
            "the platform's setting, normally 86400: one day.",
            0,
            MOST_TTL_SECONDS,
        ),
    ),
    rules=(
        Rule(
            expression="has(self.params) == has(oldSelf.params)",
            message="params cannot be added or removed; create a new TaskRun instead",
            field_path=".params",
        ),
        *(_fixed(name) for name in _FIXED),
        Rule(
            expression="!has(self.softTimeoutSeconds) || !has(self.timeoutSeconds) || "
            "self.softTimeoutSeconds < self.timeoutSeconds",
            message="softTimeoutSeconds has to be less than timeoutSeconds",
            field_path=".softTimeoutSeconds",
        ),
        Rule(
            expression="!has(oldSelf.cancel) || has(self.cancel)",
            message="cancel cannot be withdrawn once it is set",
            field_path=".cancel",
        ),
    ),
)
