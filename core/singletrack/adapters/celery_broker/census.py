"""Who is at the other end of the broker: asks every worker what it is, by Celery's remote control.

For `doctor` only; safety never rests on remote control. A worker that answers nothing in time is
not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from singletrack.errors import BrokerUnavailable

_QUESTIONS = ("stats", "active_queues", "registered")
_PATIENCE_SECONDS = 3
_TRANSPORT = {"socket_connect_timeout": _PATIENCE_SECONDS, "socket_timeout": 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One Celery worker, as it describes itself."""

    name: str
    pool: str
    """The pool's implementation: `prefork`, `gevent`, …"""
    slots: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]


class Census:
    """One broker."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("singletrack", broker=broker_url, set_as_current=False)
        self._app.conf.broker_transport_options = _TRANSPORT

    def connect(self) -> str:
        """See that the broker answers; its address without a password.

        Raises:
            BrokerUnavailable: it does not.
        """
        with self._app.connection_for_write() as connection:
            try:
                connection.ensure_connection(
                    max_retries=1, interval_start=0, timeout=_PATIENCE_SECONDS
                )
            except (OperationalError, OSError) as error:
                raise BrokerUnavailable(
                    f"the broker at {connection.as_uri()} did not answer: {error}"
                ) from error
            return str(connection.as_uri())

    def ask(self, seconds: float) -> tuple[WorkerView, ...]:
        """Every worker that answers within this time.

        Raises:
            BrokerUnavailable: the broker does not answer.
        """
        self.connect()  # remote control would go on trying
        try:
            with ThreadPoolExecutor(len(_QUESTIONS)) as pool:
                stats, queues, tasks = pool.map(lambda each: self._put(each, seconds), _QUESTIONS)
        except self._failures as error:
            raise BrokerUnavailable(f"the broker did not take a question: {error}") from error
        # One that was too slow for one of the questions would be shown as something it is not.
        whole = sorted(set(stats) & set(queues) & set(tasks))
        return tuple(_view(name, stats[name], queues[name], tasks[name]) for name in whole)

    def close(self) -> None:
        self._app.close()

    @property
    def _failures(self) -> tuple[type[BaseException], ...]:
        """What the transport's library raises, a full server included."""
        with self._app.connection_for_write() as connection:
            theirs = (*connection.connection_errors, *connection.channel_errors)
        return (OperationalError, OSError, *theirs)

    def _put(self, question: str, seconds: float) -> Mapping[str, Any]:
        """One question to all workers, over a connection of its own; answers by worker."""
        with self._app.connection_for_write() as connection:
            inspector = self._app.control.inspect(timeout=seconds, connection=connection)
            answers: Mapping[str, Any] | None = getattr(inspector, question)()
            return answers or {}


def _view(name: str, stats: Mapping[str, Any], queues: Any, tasks: Any) -> WorkerView:
    pool = stats.get("pool") or {}
    module = str(pool.get("implementation", "")).partition(":")[0]
    return WorkerView(
        name=name,
        pool=module.rpartition(".")[2] or "unknown",
        slots=int(pool.get("max-concurrency") or 0),
        queues=tuple(sorted(str(queue["name"]) for queue in queues)),
        tasks=tuple(sorted(str(task).partition(" [")[0] for task in tasks)),
    )
