"""What everybody says about the runs afterwards, and whether it agrees with the promise."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.lifecycle import VIEWS, State
from singletrack.operations import GetLock
from singletrack.settings import LedgerSettings
from singletrack.testing import history, task_log
from singletrack.testing.history import FinalRecord, History, LockState
from singletrack_cli.demo.stage import Stage

Runs = Sequence[Mapping[str, Any]]

_STATES = {VIEWS[state].phase: state for state in State if VIEWS[state].outcome}
_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def runs(stage: Stage) -> Runs:
    """All runs as REST lists them."""
    url = f"{stage.setting.api}/v1/namespaces/default/runs?limit=200"
    found: Runs = json.loads(stage.look(f"curl -s '{url}'"))["items"]
    return found


def compare_with_taskruns(stage: Stage, listed: Runs) -> None:
    """The same run has the same phase in Kubernetes and over REST."""
    over_rest = {run["id"]: run["phase"] for run in listed if run["door"] != "producer"}
    in_cluster = {
        item["metadata"]["uid"]: item["status"]["phase"] for item in stage.taskruns().values()
    }
    sentence = f"kubectl and REST show the same {len(in_cluster)} runs with the same phases"
    stage.claim(sentence, over_rest == in_cluster, (over_rest, in_cluster))


def compare_with_metrics(stage: Stage, listed: Runs) -> None:
    """The counters say how many runs there were, by task and door, and how they ended."""
    text = stage.look(f"curl -s {stage.setting.metrics}")
    submitted = Counter((run["task"], run["door"]) for run in listed)
    finished = Counter((run["task"], str(outcome_of(run))) for run in listed)
    counted = counters(text, "singletrack_runs_submitted_total", ("task", "door"))
    stage.claim("the metrics count every run that was submitted", counted == submitted, counted)
    counted = counters(text, "singletrack_runs_finished_total", ("task", "outcome"))
    stage.claim("and how each of them ended", counted == finished, counted)


def judge(stage: Stage) -> None:
    """Let the checker compare the tasks' own log with the records and the locks."""
    listed = runs(stage)
    records = [final_record(run) for run in listed]
    keys = sorted({record.lock for record in records})
    locks = [LockState(key=key, owner=owner(stage, key)) for key in keys]
    events = task_log.read(stage.setting.log)
    verdict = history.check(History(events=events, records=records, locks=locks))
    stage.show(f"\n{verdict}")
    stage.claim(
        "no two runs overlapped on a lock, none began twice, none was lost, every lock is free",
        verdict.holds,
        verdict,
    )


def final_record(run: Mapping[str, Any]) -> FinalRecord:
    """A run of the listing, as the checker wants it."""
    return FinalRecord(
        run=run["id"],
        lock=run["lock"]["key"],
        state=_STATES.get(run["phase"]),
        token=run["lock"]["fencingToken"] or None,
        attempts=run["attempt"],
    )


def outcome_of(run: Mapping[str, Any]) -> str | None:
    return VIEWS[_STATES[run["phase"]]].outcome


def owner(stage: Stage, key: str) -> str | None:
    """Who holds a lock, asked of the ledger itself."""
    settings = LedgerSettings().model_copy(update={"redis_url": stage.setting.redis})
    ledger = RedisLedger.from_settings(settings)
    try:
        return ledger.execute(GetLock(lock=key)).owner or None
    finally:
        ledger.close()


def counters(text: str, name: str, labels: Sequence[str]) -> Counter[tuple[str, ...]]:
    """The samples of one metric that are not 0, by some labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for sample, pairs, value in _SAMPLE.findall(text):
        if sample == name and float(value):
            values = dict(_LABEL.findall(pairs))
            found[tuple(values[label] for label in labels)] += int(float(value))
    return found
