"""What `singletrack up --kubernetes` costs while nothing happens: memory and CPU of its processes.

Memory is the proportional set size (a page shared by n processes counts 1/n for each), CPU is the
time on a core over the period. etcd and kube-apiserver are shown, but do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ("core", "api", "worker", "operator", "cli")

MOST_MEGABYTES = 320.0
MOST_CPU_PERCENT = 1.5

CONTROL_PLANE = ("etcd", "kube-apiserver")
READY_SECONDS = 900.0  # the first time builds the control plane
SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Usage:
    """One process over the period."""

    name: str
    pid: int
    megabytes: float
    cpu_percent: float

    @property
    def counts(self) -> bool:
        return self.name not in CONTROL_PLANE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="the period (default 60)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as state:
        time.sleep(SETTLE_SECONDS)
        usages = measure(state, given.seconds)
    return report(usages, given.seconds, given.json)


@contextmanager
def platform(folder: Path) -> Iterator[dict[str, object]]:
    """A platform in a folder of its own; yields what it says of itself."""
    path = [*(str(ROOT / name) for name in COMPONENTS), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "singletrack_cli", "up", "--kubernetes", "--api-port", "0"]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "data")],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            stdout=log,
            stderr=log,
        )
    try:
        yield ready(process, folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, object]:
    deadline = time.monotonic() + READY_SECONDS
    state = folder / "data" / "up.json"
    while not state.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the platform did not start:\n{(folder / 'up.log').read_text()}")
        time.sleep(0.1)
    found: dict[str, object] = json.loads(state.read_text())
    return found


def measure(state: dict[str, object], seconds: float) -> list[Usage]:
    names = named(state)
    before = {pid: cpu_seconds(pid) for pid in names}
    time.sleep(seconds)
    return [
        Usage(name, pid, megabytes(pid), (cpu_seconds(pid) - before[pid]) / seconds * 100)
        for pid, name in names.items()
    ]


def named(state: dict[str, object]) -> dict[int, str]:
    """Every process of the platform: the parts by name, and what they have started."""
    parts = state["parts"]
    assert isinstance(parts, dict)
    names = {int(pid): name for name, pid in parts.items()} | {int(str(state["pid"])): "up"}
    for pid, parent in sorted(parents().items()):
        if pid not in names and parent in names:
            role = "agent" if "singletrack_worker.agent" in command_line(pid) else "child"
            names[pid] = f"{names[parent]} {role}"
    return names


def parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = int(stat(int(folder.name))[1])
        except OSError:
            continue
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def cpu_seconds(pid: int) -> float:
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/{pid}/smaps_rollup has no Pss")


def report(usages: list[Usage], seconds: float, json_file: Path | None) -> int:
    for usage in usages:
        note = "" if usage.counts else "  (does not count)"
        print(f"{usage.name:16} {usage.megabytes:7.1f} MB {usage.cpu_percent:6.2f} %{note}")
    memory = sum(usage.megabytes for usage in usages if usage.counts)
    cpu = sum(usage.cpu_percent for usage in usages if usage.counts)
    held = memory <= MOST_MEGABYTES and cpu <= MOST_CPU_PERCENT
    print(f"{'all that counts':16} {memory:7.1f} MB {cpu:6.2f} % of a core, over {seconds:g} s")
    print(f"bars: {MOST_MEGABYTES:g} MB, {MOST_CPU_PERCENT:g} %: {'held' if held else 'MISSED'}")
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        numbers = {"seconds": seconds, "megabytes": memory, "cpu_percent": cpu, "held": held}
        processes = [asdict(usage) for usage in usages]
        json_file.write_text(json.dumps(numbers | {"processes": processes}, indent=1))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
