"""`spec.retry` of a TaskRun: when a failed attempt is followed by another one."""

from __future__ import annotations

from singletrack.custom_resource.fields import Field, whole_number
from singletrack.retries import LONGEST_BACKOFF_SECONDS, MOST_RETRIES, NO_RETRY, RetryCause

RETRY = Field(
    name="retry",
    text="When an attempt that failed is followed by another one. The run keeps its id, its "
    "parameters and its lock; its fencing token grows. If it is left out, the task decides, else "
    "there is one attempt.",
    type="object",
    fields=(
        whole_number(
            "limit", "How many attempts may follow the first one.", 0, MOST_RETRIES, default=0
        ),
        Field(
            name="backoff",
            text="How long the run waits for its next attempt: a random time of up to "
            "initialSeconds, doubled with each further attempt, of up to maxSeconds.",
            type="object",
            fields=(
                whole_number(
                    "initialSeconds",
                    "The longest pause before the second attempt.",
                    0,
                    int(LONGEST_BACKOFF_SECONDS),
                    default=int(NO_RETRY.initial_seconds),
                ),
                whole_number(
                    "maxSeconds",
                    "No pause is longer.",
                    0,
                    int(LONGEST_BACKOFF_SECONDS),
                    default=int(NO_RETRY.max_seconds),
                ),
            ),
        ),
        Field(
            name="causes",
            text="After what. Error: the task's code raised. Timeout: its time was over, or "
            "it ended with its soft limit. WorkerLost: its process is gone and nobody knows how "
            "far it came. Interrupted: its worker was stopped. If it is left out, after each of "
            "them.",
            type="array",
            limits={
                "maxItems": len(RetryCause),
                "x-kubernetes-list-type": "set",
                "items": {"type": "string", "enum": [str(cause) for cause in RetryCause]},
            },
        ),
    ),
)
