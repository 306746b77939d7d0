"""Celery's result keys as the memory ledger has them: the ends of producers' runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from singletrack.adapters.memory.times import to_ms
from singletrack.celery_results import celery_result
from singletrack.lifecycle import State
from singletrack.run import Run, encode_json

_SHORTEST_MS = 1000


@dataclass(slots=True)
class CeleryResults:
    """What is told to clients that wait for `celery-task-meta-<id>`, each until a time in ms."""

    told: dict[str, tuple[str, int]] = field(default_factory=dict)
    joined: dict[str, dict[str, float]] = field(default_factory=dict)
    """Runs that joined another one, under its id, with how long their results are kept."""

    def ended(self, run: Run, now: int) -> None:
        """Tell the end of a run, and of those that joined it."""
        spec = run.spec
        if run.state is State.JOINED:
            if spec.tells_celery and run.holder:
                self.joined.setdefault(run.holder.run_id, {})[run.run_id] = spec.ttl_seconds
            return
        waiting = self.joined.pop(run.run_id, {})
        if spec.tells_celery:
            waiting = {run.run_id: spec.ttl_seconds, **waiting}
        for run_id, ttl_seconds in waiting.items():
            over = now + max(to_ms(ttl_seconds), _SHORTEST_MS)
            self.told[run_id] = encode_json(celery_result(run, run_id)), over

    def find(self, run_id: str, now: int) -> tuple[str, int] | None:
        """The text, and for how many ms it is still kept."""
        text, over = self.told.get(run_id, ("", 0))
        return (text, over - now) if over > now else None

    def forget(self, now: int) -> None:
        """Let go of what is over."""
        self.told = {run_id: kept for run_id, kept in self.told.items() if kept[1] > now}
