"""Whether what was told before a submission is what then happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from singletrack.lifecycle import State
from singletrack.operations import Forecast, Submission
from singletrack.policies import Decision
from singletrack.run import Run, RunSpec

STATES = {
    Decision.START: {State.READY, State.CLAIMED},
    Decision.WAIT: {State.QUEUED},
    Decision.SUPERSEDE: {State.QUEUED},
    Decision.REPLACE: {State.QUEUED, State.READY},
    Decision.REJECT: {State.REJECTED},
    Decision.SKIP: {State.SKIPPED},
    Decision.JOIN: {State.JOINED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A forecast, the submission right after it, and the records there were before both."""

    spec: RunSpec
    forecast: Forecast
    before: Mapping[str, Run]
    done: Submission

    def came_true(self, after: Mapping[str, Run], waiting: Sequence[str]) -> None:
        """Compare it with the records there are now, and with who waits for the lock."""
        forecast, done = self.forecast, self.done
        assert forecast.verdict is done.verdict
        if not done.created:
            assert (forecast.decision, forecast.state) == (None, done.state)
            return
        assert forecast.decision is not None
        assert done.state in STATES[forecast.decision], self
        assert forecast.holder == done.holder, self
        run_id = self.spec.run_id
        failure = after[run_id].failure if done.state is State.REJECTED else None
        assert (failure.reason if failure else None) == forecast.refusal
        place = waiting.index(run_id) + 1 if run_id in waiting else None
        assert place == forecast.position, (self, waiting)
        self._only_the_named_were_touched(after)

    def _only_the_named_were_touched(self, after: Mapping[str, Run]) -> None:
        touched = {run_id for run_id, run in self.before.items() if after[run_id] != run}
        assert touched == {victim.run_id for victim in self.forecast.victims}, (self, touched)
