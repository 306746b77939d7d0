"""Minutes of life for the pictures: everything once, then many runs while workers are killed.

It is the workload and the rampage with which the metrics are tested; at the end a run executes, one
waits for a lock, one for a worker, and a lock is suspect.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from support.measured import rules
from support.measured.rampage import Rampage
from support.measured.stage import MeasuredStage, set_up
from support.measured.workload import Workload
from support.pictures.answers import Shown
from support.prometheus import server
from support.prometheus.programs import Programs
from support.prometheus.server import Prometheus
from support.waiting import wait_until

from singletrack_cli.controlplane.binaries import Binaries

RUNS, KILLS, SEED = 1200, 12, 11

#: Something has been paused for so long that it can be seen as a line.
LINES = "sum(singletrack_paused offset 10s) > 0"

#: Seconds of a minute at which the time that is shown may end: so far from each half minute that
#: the last time on an axis is written in full.
ENDS = {*range(20, 26), *range(40, 56)}


@contextmanager
def lived(folder: Path, plane: Binaries, programs: Programs) -> Iterator[tuple[Prometheus, Shown]]:
    """A Prometheus that has watched it, and the time from its first moment to its last."""
    with (
        set_up(folder / "stage", plane) as stage,
        _watching(folder / "prometheus", programs, stage) as prometheus,
    ):
        prometheus.until_scraped()
        begin = int(time.time())
        workload = Workload(stage)
        workload.have_everything_once()
        Rampage(stage, Random(SEED)).run(RUNS, KILLS)
        workload.leave_things_open()
        wait_until(lambda: prometheus.query(LINES), 30, "what is paused to be a line")
        wait_until(lambda: int(time.time()) % 60 in ENDS, 60, "the time to end it")
        prometheus.until_scraped()
        yield prometheus, Shown(begin, int(time.time()))


def _watching(folder: Path, programs: Programs, stage: MeasuredStage):
    return server.running(programs, folder, stage.targets, rules.evaluated_at_once(folder))
