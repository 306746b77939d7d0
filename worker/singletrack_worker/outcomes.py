"""From what user code returned or raised to the `Outcome` the ledger records. Pure."""

from __future__ import annotations

import traceback as traceback_module
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import Retry
from kombu.exceptions import EncodeError as CeleryEncodeError

from singletrack.errors import EncodeError
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import Cause
from singletrack.run import LONGEST_SECONDS, Failure, Outcome, encode_json

MAX_MESSAGE = 4 * 1024
MAX_TRACEBACK = 64 * 1024

_STOPPED = {
    Cause.CANCELLED: (State.CANCELLED, "Cancelled", "stopped because the run was cancelled"),
    Cause.TIMED_OUT: (State.TIMED_OUT, "Timeout", "stopped because its time was over"),
    Cause.FENCED: (State.LOST, "WorkerLost", "stopped because the lease could not be renewed"),
}


def of_value(value: Any, max_bytes: int) -> Outcome:
    """Success, or the failure to write the value down."""
    try:
        text = encode_json(value)
    except EncodeError as error:
        return failed("EncodeError", str(error), "singletrack.errors.EncodeError", str(error))
    size = len(text.encode(errors="surrogatepass"))
    if size > max_bytes:
        message = f"the result takes {size} bytes as JSON, the limit is {max_bytes}"
        return failed("ResultTooLarge", message)
    return Outcome(state=State.SUCCEEDED, result=text)


def of_error(error: BaseException, traceback: str = "") -> Outcome:
    """The failure of a task that raised."""
    kind = type(error)
    if isinstance(error, CeleryEncodeError):  # the result backend refused the returned value
        return failed("EncodeError", _text_of(error), "EncodeError", traceback)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _qualified(kind)
    return failed("TaskError", _text_of(error), name, traceback or format_traceback(error))


def of_retry(asked: Retry, traceback: str = "") -> Outcome:
    """The failure of an attempt whose code has asked for another one."""
    error = asked.exc if isinstance(asked.exc, BaseException) else None
    failed = of_error(error) if error else of_error(asked, traceback)
    return replace(failed, retry_after_seconds=_seconds_until(asked.when))


def _seconds_until(when: Any) -> float:
    if isinstance(when, datetime):
        when = (when - datetime.now(when.tzinfo or UTC).replace(tzinfo=when.tzinfo)).total_seconds()
    return min(max(0.0, float(when or 0)), LONGEST_SECONDS)


def of_exit(error: SystemExit) -> Outcome:
    """`sys.exit()` in user code ends the run, not the worker."""
    message = f"the task called sys.exit({error.code!r})"
    ended = failed("SystemExit", message, traceback=format_traceback(error))
    assert ended.failure is not None, "a failure has a reason"  # noqa: S101
    return replace(ended, failure=replace(ended.failure, exit=Exit(code=_exit_code(error.code))))


def _exit_code(said: object) -> int:
    """What a process would have left with: Python takes any text for an error."""
    return said & 0xFF if isinstance(said, int) else int(said is not None)


def stopped(cause: Cause) -> Outcome:
    """The end of a run that its agent has stopped."""
    state, reason, message = _STOPPED[cause]
    return Outcome(state=state, failure=Failure(reason=reason, message=message))


def overran(traceback: str) -> Outcome:
    """The end of a run whose code has let its soft time limit end it."""
    failure = Failure(
        reason="SoftTimeout",
        message="its soft time limit was over, and its code ended with that",
        error_type="celery.exceptions.SoftTimeLimitExceeded",
        traceback=bounded(traceback, MAX_TRACEBACK),
    )
    return Outcome(state=State.TIMED_OUT, failure=failure)


def interrupted() -> Outcome:
    """The end of a run whose worker was told to stop at once."""
    return failed("Interrupted", "the worker was stopped while the task was running")


def expired() -> Outcome:
    """The end of a run whose message came after its `expires`."""
    failure = Failure(reason="Expired", message="its message expired before a worker took it")
    return Outcome(state=State.CANCELLED, failure=failure)


def not_handed_over() -> Outcome:
    """The end of a run that left threads behind, and a result too large for the lease agent."""
    message = "the task left threads behind, and its outcome is too large to be told after them"
    return failed("ResultTooLarge", message)


def revoked() -> Outcome:
    """The end of a run that was revoked before its message came."""
    failure = Failure(reason="Cancelled", message="revoked")
    return Outcome(state=State.CANCELLED, failure=failure)


def failed(reason: str, message: str, error_type: str = "", traceback: str = "") -> Outcome:
    """A failure with bounded texts."""
    return Outcome(
        state=State.FAILED,
        failure=Failure(
            reason=reason,
            message=bounded(message, MAX_MESSAGE),
            error_type=error_type,
            traceback=bounded(traceback, MAX_TRACEBACK),
        ),
    )


def format_traceback(error: BaseException) -> str:
    """The traceback as Python prints it; never raises, whatever the exception does."""
    try:
        return "".join(traceback_module.format_exception(error))
    except Exception:  # noqa: BLE001 - an exception whose own __str__ fails must still be recorded
        return f"{type(error).__name__}: (its traceback cannot be printed)"


def bounded(text: str, limit: int) -> str:
    """Head and tail of a text that is too long, and how much was left out; surrogates replaced."""
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - see format_traceback
        return "(its message cannot be printed)"


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
