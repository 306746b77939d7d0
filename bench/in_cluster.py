"""The chart on a real cluster of one node: creation to Running, starts, and memory at rest.

Needs root and what `make e2e` has built. The floor is the API server alone: from the creation to
the first event of the same watch. A part has started with its first word that it is ready. Memory
is the proportional set size of all processes of the pods.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import idle
import measuring  # it sets the path for what follows

sys.path[:0] = [str(measuring.ROOT / name) for name in ("cli", "operator", "api")]

from e2e.conftest import load_images  # noqa: E402
from e2e.places import Place, standing  # noqa: E402
from support.cluster import starting  # noqa: E402
from support.cluster.kit import Kit  # noqa: E402
from support.cluster.layout import NUMBERS, Layout  # noqa: E402
from support.taskruns import wish  # noqa: E402

from singletrack_cli.controlplane.build_progress import BuildProgress  # noqa: E402

MEDIAN_MS, P99_MS, MOST_MEGABYTES, START_SECONDS = 150.0, 500.0, 400.0, 2.0
#: What each part says when it is there.
READY_WORDS = {
    "api": "api_listening",
    "operator": "operator_serving",
    "worker-default": " ready.",
}
PATH = "/apis/singletrack.dev/v1alpha1/namespaces/{}/taskruns"
SETTLE_SECONDS = 30.0
WARM_UP = 10
ANY = "there"
"""For the first event of a TaskRun, whatever phase it shows."""
LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class Measured:
    """What is reported; latencies in the order of the runs."""

    starts_s: dict[str, float]
    memory_mb: dict[str, float]
    floors_ms: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


class Watch:
    """When each phase of each TaskRun was first seen."""

    def __init__(self, place: Place) -> None:
        cluster = place.release.cluster
        # Without a version to begin at, the watch tells of what is there as well: nothing created
        # while it opens is missed.
        path = f"{PATH.format(place.namespace)}?watch=true"
        command = [str(cluster.kit.programs.kubectl), "get", f"--raw={path}"]
        self.process = subprocess.Popen(
            command, env=cluster.environ, stdout=subprocess.PIPE, text=True
        )
        self._seen: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            now, found = time.monotonic(), json.loads(line)["object"]
            name, phase = found["metadata"]["name"], found.get("status", {}).get("phase", "")
            with self._changed:
                self._seen.setdefault((name, ANY), now)
                self._seen.setdefault((name, phase), now)
                self._changed.notify_all()

    def wait(self, name: str, phase: str) -> float:
        """When it was first seen so."""
        with self._changed:
            if not self._changed.wait_for(lambda: (name, phase) in self._seen, LONGEST_SECONDS):
                raise SystemExit(f"{name} was not {phase} after {LONGEST_SECONDS} s")
            return self._seen[name, phase]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="TaskRuns, one at a time (200)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    with platform() as place:
        measured = Measured(seconds_of_starts(place), megabytes_of_pods(place))
        latencies_of(place, given.runs, measured)
    return report(measured, given.json)


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


def latencies_of(place: Place, runs: int, measured: Measured) -> None:
    """The first runs warm up and do not count."""
    watch = Watch(place)
    floors, latencies = measured.floors_ms, measured.latencies_ms
    try:
        for number in range(-WARM_UP, runs):
            created, name = create(place, number)
            floors.append((watch.wait(name, ANY) - created) * 1000)
            latencies.append((watch.wait(name, "Running") - created) * 1000)
            watch.wait(name, "Succeeded")
    finally:
        watch.process.kill()
    del floors[:WARM_UP], latencies[:WARM_UP]


def create(place: Place, number: int) -> tuple[float, str]:
    params = {"to": 2, "name": f"n{number}", "seconds": 0.1}
    manifest = wish({"task": "count_to", "params": params}, "latency-")
    before = time.monotonic()
    client = place.release.cluster.client
    made = client.request("POST", PATH.format(place.namespace), manifest)
    return before, str(made["metadata"]["name"])


def pods(place: Place) -> dict[str, list[int]]:
    """The processes of each component."""
    found = json.loads(place.kubectl("get", "pods", "--output=json"))["items"]
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: processes_of(
            pod["metadata"]["uid"]
        )
        for pod in found
    }


def megabytes_of_pods(place: Place) -> dict[str, float]:
    return {part: sum(map(idle.megabytes, pids)) for part, pids in pods(place).items()}


def seconds_of_starts(place: Place) -> dict[str, float]:
    return {part: seconds_of_start(place, part, word) for part, word in READY_WORDS.items()}


def seconds_of_start(place: Place, part: str, word: str) -> float:
    """From the first process of a new pod's container to the word that it is ready.

    All other parts are there already: waiting for them is no part of a start.
    """
    place.kubectl("delete", "pod", place.pod(part))
    place.wait_until_ready()
    return said_at(place, part, word) - min(map(started_at, pods(place)[part]))


def said_at(place: Place, part: str, word: str) -> float:
    """When it first said this, as the node's runtime wrote it down."""
    label = f"--selector=app.kubernetes.io/component={part}"
    for line in place.kubectl("logs", label, "--timestamps", "--tail=-1").splitlines():
        stamp, _, text = line.partition(" ")
        if word in text:
            return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", stamp)).timestamp()
    raise SystemExit(f"the {part} has not said {word!r}")


def started_at(pid: int) -> float:
    since_boot = int(idle.stat(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


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


def report(measured: Measured, json_file: Path | None) -> int:
    p50 = statistics.median(measured.latencies_ms)
    p99 = statistics.quantiles(measured.latencies_ms, n=100)[98]
    floor, memory = statistics.median(measured.floors_ms), sum(measured.memory_mb.values())
    slowest = max(measured.starts_s.values())
    bars = {
        f"creation to Running, p50: {p50:.0f} ms, bar {MEDIAN_MS:g}": p50 <= MEDIAN_MS,
        f"creation to Running, p99: {p99:.0f} ms, bar {P99_MS:g}": p99 <= P99_MS,
        f"slowest start: {slowest:.2f} s, bar {START_SECONDS:g}": slowest <= START_SECONDS,
        f"memory at rest: {memory:.1f} MB, bar {MOST_MEGABYTES:g}": memory <= MOST_MEGABYTES,
    }
    print(f"creation to the first event (floor), p50: {floor:.0f} ms; ratio {p50 / floor:.1f}")
    for part, megabytes in sorted(measured.memory_mb.items()):
        start = measured.starts_s.get(part)
        print(f"{part:16} {megabytes:7.1f} MB", f"  started in {start:.2f} s" if start else "")
    for sentence, held in bars.items():
        print(f"{sentence}: {'held' if held else 'MISSED'}")
    if json_file:
        json_file.write_text(json.dumps(asdict(measured), indent=1))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
