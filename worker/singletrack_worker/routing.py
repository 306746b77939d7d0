"""Which broker queue an app sends a task to, asked without sending anything.

Celery's router adds a queue it does not know to those a worker consumes; asking must not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kombu.utils.functional import maybe_list

from singletrack.tasks import declaration_of

_CELERYS_OWN = "celery."


class Routes:
    """The routes of one app."""

    def __init__(self, app: Any) -> None:
        # Queues of its own: the app's remember every name they were asked for.
        self.queues = app.amqp.Queues(app.conf.task_queues)
        self._router = app.amqp.Router(queues=self.queues)

    def queue_of(self, task: Any) -> str | None:
        """The queue's name; None if it depends on the arguments or on something else."""
        try:
            route = self._router.route({}, task.name, (), {}, task)
        except Exception:  # noqa: BLE001 - a project's own router, called without arguments
            return None
        queue = route.get("queue")
        return getattr(queue, "name", None)


def is_for_gated_tasks_only(app: Any, selected: str | Iterable[str] | None) -> bool:
    """Whether a worker with these queues gets messages of tasks behind the gate, and no others."""
    if isinstance(selected, str):
        selected = selected.split(",")
    routes = Routes(app)
    consumed = set(maybe_list(selected) or routes.queues)
    gated = set()
    for task in app.tasks.values():
        passes = declaration_of(task) is not None
        if passes or not task.name.startswith(_CELERYS_OWN):
            queue = routes.queue_of(task)
            if queue is None or queue in consumed:
                gated.add(passes)
    return gated == {True}
