"""Events of a worker's main process and of its children, and of producers' processes."""

from singletrack.logs.events.declarations import Section, debug, error, info, warning

WORKER = Section(
    "Worker",
    (
        info(
            "worker_starting",
            "Main has made its checks, and its lease agent runs.",
            *("worker", "ledger"),
        ),
        error("start_failed", "The worker, or a child of it, could not start.", "step"),
        warning(
            "worker_weakness",
            "It works, and something is weaker than it could be.",
            *("problem", "remedy"),
        ),
        info("remote_control_off", "Celery's remote control is off.", "reason"),
        info("tasks_registered", "The worker's tasks are in the catalogue.", "tasks"),
        debug(
            "tasks_not_registered",
            "Whether the catalogue still has the worker's tasks could not be asked.",
            "error",
        ),
        info("run_delivered", "A child has taken the run's message.", "pid", of_run=True),
        info(
            "run_finished",
            "The run's code has ended, and the ledger was told how.",
            *("state", "verdict"),
            of_run=True,
        ),
        debug(
            "trace_incomplete",
            "The record was not read, so the run's spans do not tell who has submitted it.",
            "error",
            of_run=True,
        ),
        warning(
            "threads_left_behind",
            "The task has left threads, and its lock must not move on while they live: its child "
            "is ended first.",
            of_run=True,
        ),
        warning("progress_not_sent", "A report of progress was lost.", "error", of_run=True),
        warning(
            "end_not_recorded",
            "The ledger was not told yet how the run ended; it is told until it has answered.",
            "error",
            of_run=True,
        ),
        warning(
            "run_refused",
            "A producer's message cannot be a run; its record says why.",
            *("reason", "error"),
            of_run=True,
        ),
        warning(
            "refusal_not_recorded",
            "A message that was refused has no record of it yet; it is kept.",
            "error",
            of_run=True,
        ),
        info("run_expired", "The message has come too late to be started.", of_run=True),
        info("run_revoked", "The run was revoked before its message came.", of_run=True),
        info("run_cancelled", "A revoke was recorded as a cancel.", "was", of_run=True),
        warning(
            "revoke_failed",
            "A revoke could not be recorded; one of a run in this worker is tried again.",
            "error",
            of_run=True,
        ),
        warning(
            "revoke_not_recorded",
            "Whoever revoked could not tell the ledger, only the workers that are up.",
            "error",
        ),
        warning("run_unknown", "The ledger knows no run of this message.", of_run=True),
        warning("start_refused", "The ledger refuses the start.", "error", of_run=True),
        warning(
            "start_unconfirmed",
            "The ledger has not confirmed the start, so the code is not started; asked again.",
            "error",
            of_run=True,
        ),
        warning(
            "run_not_read",
            "The ledger did not say whether it has the run; it is asked again.",
            "error",
            of_run=True,
        ),
        warning(
            "run_not_gated",
            "A task was executed in the caller's own process; said once in each.",
            "reason",
            of_run=True,
        ),
        warning(
            "message_put_back",
            "A child died before the run was recorded; the broker has its message again.",
            of_run=True,
        ),
        warning(
            "message_left_to_the_broker",
            "The broker could not be told that the message is done with; it comes again.",
            "error",
            of_run=True,
        ),
        warning(
            "messages_left_to_the_broker",
            "The broker could not be told of messages that are done with; they come again.",
            "error",
        ),
        warning(
            "message_not_noted",
            "The broker has no note of the message; it goes on all the same.",
            "error",
        ),
        warning(
            "message_unreadable",
            "Something in the broker's queue is no message; it is dropped.",
            *("error", "found"),
        ),
        error(
            "message_not_ended",
            "What becomes of a message that cannot be executed could not be recorded.",
            of_run=True,
        ),
        warning(
            "canvas_not_told",
            "A chain or a group waits for a run that was refused, and was not told.",
            of_run=True,
        ),
        warning(
            "agent_unreachable",
            "The lease agent does not answer; a child that needs it ends or waits.",
            *("step", "pid", "error"),
        ),
        error(
            "agent_died",
            "The lease agent has died: everything that was executed is ended, another is started.",
            *("worker", "runs"),
        ),
        error(
            "agent_not_replaced",
            "Another agent could not be started; it is tried again, and then the worker stops.",
            *("worker", "error"),
        ),
        warning(
            "report_failed",
            "The ledger was not told that a run died with its agent; its lease ends by itself.",
            "error",
            of_run=True,
        ),
        warning(
            "shutdown_amid_a_message",
            "The worker had to stop while a message to a child was half written.",
            "signal",
        ),
    ),
)
