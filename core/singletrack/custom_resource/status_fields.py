"""What the operator shows in a TaskRun: every field of `status`, its limits and its words."""

from __future__ import annotations

from typing import Any

from singletrack.custom_resource import (
    MAX_INLINE_RESULT_BYTES,
    MAX_MESSAGE_LENGTH,
    MAX_TRACEBACK_BYTES,
)
from singletrack.custom_resource.fields import Field, text, time, whole_number
from singletrack.lifecycle import Phase

EPOCH = "1970-01-01T00:00:00Z"
"""The transition time of a condition nobody has looked at yet."""

_MOST = 2**53

#: What a TaskRun shows before the operator has seen it: without it, tools that follow conditions
#: would take a fresh one for done.
DEFAULT_STATUS: dict[str, Any] = {
    "phase": str(Phase.PENDING),
    "conditions": [
        {
            "type": "Reconciling",
            "status": "True",
            "reason": "NotSeenYet",
            "message": "the operator has not seen this TaskRun yet",
            "lastTransitionTime": EPOCH,
        }
    ],
}

CONDITIONS = Field(
    name="conditions",
    text="The details, one entry per question: Accepted, LockAcquired, Running, Terminated (its "
    "processes are known to be gone), ResultStored, Succeeded, Finished (True at every end: wait "
    "for this one), and Reconciling and Stalled for tools that follow any kind of resource.",
    type="array",
    limits={
        "maxItems": 12,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    },
    fields=(
        Field(
            name="type",
            text="The question.",
            required=True,
            limits={"minLength": 1, "maxLength": 64},
        ),
        Field(
            name="status",
            text="The answer.",
            required=True,
            limits={"enum": ["True", "False", "Unknown"]},
        ),
        text("reason", "The answer's cause in one stable word.", 128),
        text("message", "The answer's cause in a sentence.", MAX_MESSAGE_LENGTH),
        time("lastTransitionTime", "When the answer last changed."),
        whole_number(
            "observedGeneration", "The generation of the spec that was looked at.", 0, _MOST
        ),
    ),
)

LOCK = Field(
    name="lock",
    text="The lock as this run met it.",
    type="object",
    fields=(
        text("key", "The lock's full key: the namespace, a slash, the key.", 253),
        whole_number(
            "fencingToken",
            "Grows with every run that is let in. Whoever keeps the highest token seen can refuse "
            "a writer that was replaced.",
            0,
            _MOST,
        ),
        text(
            "holder",
            "Who held the lock when this run had to wait, was refused or was not needed, or which "
            "run it joined: the TaskRun's name, or a run id.",
            253,
        ),
    ),
)

PROGRESS = Field(
    name="progress",
    text="How far the task said it was when this status was written. It is not updated while the "
    "run executes; the REST API has the latest.",
    type="object",
    fields=(
        Field(name="current", text="So much is done…", type="number"),
        Field(name="total", text="…of so much.", type="number"),
        text("message", "What the task said.", 256),
    ),
)

ERROR = Field(
    name="error",
    text="Why the run did not succeed; while it lives, why its last attempt did not.",
    type="object",
    fields=(
        text("reason", "The cause in one stable word.", 128),
        text("message", "The cause in a sentence.", MAX_MESSAGE_LENGTH),
        text("type", "The exception's type, if there was one.", 253),
        text("traceback", "The end of the exception's traceback.", MAX_TRACEBACK_BYTES),
        whole_number(
            "exitCode",
            "What the process ended with, if that was the end of the run and somebody has seen it.",
            -_MOST,
            _MOST,
        ),
        text("signal", "By which signal the process was killed: SIGKILL, SIGSEGV…", 32),
    ),
)

STATUS = Field(
    name="status",
    text="What has become of the run; written by the operator alone, and final once "
    "completionTime is set.",
    type="object",
    limits={"default": DEFAULT_STATUS},
    fields=(
        whole_number(
            "observedGeneration", "The generation of the spec this status speaks of.", 0, _MOST
        ),
        text(
            "phase",
            "A summary for people: Pending, Queued, Starting, Running, then one of Succeeded, "
            "Failed, TimedOut, Lost, Cancelled, Superseded, Expired, Rejected, Skipped, Joined. "
            "More may come; the conditions are the contract.",
            32,
        ),
        CONDITIONS,
        text("runID", "The run's id in the ledger: the TaskRun's UID, once it is recorded.", 64),
        whole_number("attempt", "How many times the task's code was started.", 0, _MOST),
        text("worker", "The worker that executes or executed it.", 253),
        LOCK,
        time("startTime", "When the task's code was started, in its last attempt."),
        time("completionTime", "When the run ended. From then on nothing changes any more."),
        PROGRESS,
        Field(
            name="result",
            text="What the task returned, if it takes no more than "
            f"{MAX_INLINE_RESULT_BYTES} bytes as JSON; else the condition ResultStored says where "
            "to read it.",
            type="",
            limits={"x-kubernetes-preserve-unknown-fields": True},
        ),
        ERROR,
        whole_number("revision", "The revision of the run's record this was made from.", 0, _MOST),
    ),
)
