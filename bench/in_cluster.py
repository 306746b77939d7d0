"""The chart on a real cluster of one node: from creating a TaskRun to Running, and memory at rest.

Needs root and what `make e2e` has built. The floor is the API server alone: from the creation to
the first event of the same watch. Memory is the proportional set size of all processes of the pods.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import idle
import measuring  # it sets the path for what follows

sys.path[:0] = [str(measuring.ROOT / name) for name in ("cli", "operator", "api")]

from e2e.conftest import load_images  # noqa: E402
from e2e.places import Place, standing  # noqa: E402
from support.cluster import starting  # noqa: E402
from support.cluster.kit import Kit  # noqa: E402
from support.cluster.layout import NUMBERS, Layout  # noqa: E402

from singletrack_cli.controlplane.build_progress import BuildProgress  # noqa: E402

MEDIAN_MS, P99_MS, MOST_MEGABYTES = 150.0, 500.0, 400.0
PATH = "/apis/singletrack.dev/v1alpha1/namespaces/{}/taskruns"
LINE = 'jsonpath={.metadata.name} {.status.phase}{"\\n"}'
SETTLE_SECONDS = 30.0
LONGEST_SECONDS = 30.0


class Watch:
    """When each phase of each TaskRun was first seen."""

    def __init__(self, place: Place) -> None:
        cluster = place.release.cluster
        words = ("get", "taskruns.singletrack.dev", "--watch-only", f"--output={LINE}")
        command = [str(cluster.kit.programs.kubectl), f"--namespace={place.namespace}", *words]
        self.process = subprocess.Popen(
            command, env=cluster.environ, stdout=subprocess.PIPE, text=True
        )
        self._seen: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, phase = line.rstrip("\n").partition(" ")
            with self._changed:
                self._seen.setdefault((name, phase), time.monotonic())
                self._changed.notify_all()

    def wait(self, name: str, phase: str) -> float:
        """When it was first seen so."""
        with self._changed:
            if not self._changed.wait_for(lambda: (name, phase) in self._seen, LONGEST_SECONDS):
                raise SystemExit(f"{name} was not {phase or 'there'} after {LONGEST_SECONDS} s")
            return self._seen[name, phase]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="TaskRuns, one at a time (200)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    with platform() as place:
        memory = megabytes_of_pods(place)
        floors, latencies = latencies_of(place, given.runs)
    return report(floors, latencies, memory, given.json)


@contextmanager
def platform() -> Iterator[Place]:
    """The chart in a cluster of its own; gone with this process, however it ends."""
    progress = BuildProgress(sys.stderr)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kit = Kit.ensure(os.environ, progress)
        cluster = starting.start(kit, map(Layout, NUMBERS), progress, tethered=True)
        stack.callback(cluster.stop)
        load_images(cluster, folder)
        place = stack.enter_context(standing(cluster, folder))
        time.sleep(SETTLE_SECONDS)
        yield place


def latencies_of(place: Place, runs: int) -> tuple[list[float], list[float]]:
    """In milliseconds: to the first event, to Running. The first runs warm up and do not count."""
    watch = Watch(place)
    floors, latencies = [], []
    try:
        for number in range(-10, runs):
            created, name = create(place, number)
            floors.append((watch.wait(name, "") - created) * 1000)
            latencies.append((watch.wait(name, "Running") - created) * 1000)
            watch.wait(name, "Succeeded")
    finally:
        watch.process.kill()
    return floors[10:], latencies[10:]


def create(place: Place, number: int) -> tuple[float, str]:
    params = {"to": 2, "name": f"n{number}", "seconds": 0.1}
    manifest = {
        "apiVersion": "singletrack.dev/v1alpha1",
        "kind": "TaskRun",
        "metadata": {"generateName": "latency-"},
        "spec": {"task": "count_to", "params": params},
    }
    before = time.monotonic()
    client = place.release.cluster.client
    made = client.request("POST", PATH.format(place.namespace), manifest)
    return before, str(made["metadata"]["name"])


def megabytes_of_pods(place: Place) -> dict[str, float]:
    """By component."""
    found = json.loads(place.kubectl("get", "pods", "--output=json"))["items"]
    memory = {}
    for pod in found:
        uid = pod["metadata"]["uid"]
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        memory[component] = sum(map(idle.megabytes, processes_of(uid)))
    return memory


def processes_of(pod_uid: str) -> list[int]:
    """The containers' processes; what holds the pod together is not the platform's."""
    names = {f"pod{pod_uid}", f"pod{pod_uid.replace('-', '_')}"}
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            groups = (folder / "cgroup").read_text()
            command = idle.command_line(int(folder.name))
        except OSError:
            continue
        if any(name in groups for name in names) and "pause" not in command.split(" ")[0]:
            pids.append(int(folder.name))
    return pids


def report(
    floors: Sequence[float],
    latencies: Sequence[float],
    memory: dict[str, float],
    json_file: Path | None,
) -> int:
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    floor = statistics.median(floors)
    total = sum(memory.values())
    bars = {
        f"creation to Running, p50: {p50:.0f} ms, bar {MEDIAN_MS:g}": p50 <= MEDIAN_MS,
        f"creation to Running, p99: {p99:.0f} ms, bar {P99_MS:g}": p99 <= P99_MS,
        f"memory at rest: {total:.1f} MB, bar {MOST_MEGABYTES:g}": total <= MOST_MEGABYTES,
    }
    print(f"creation to the first event (floor), p50: {floor:.0f} ms; ratio {p50 / floor:.1f}")
    for component, megabytes in sorted(memory.items()):
        print(f"{component:16} {megabytes:7.1f} MB")
    for sentence, held in bars.items():
        print(f"{sentence}: {'held' if held else 'MISSED'}")
    if json_file:
        numbers = {"floors_ms": list(floors), "latencies_ms": list(latencies), "memory_mb": memory}
        json_file.write_text(json.dumps(numbers, indent=1))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
