"""What the benchmarks share: a server, workers, interleaved rounds, the spread, the verdict."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in ("tests", "core", "worker", "bench"):
    sys.path.insert(0, str(ROOT / folder))

from support import redis_servers  # noqa: E402 - the path comes first

PEERS = ("floor", "celery", "singletrack")


@dataclass(frozen=True)
class Bar:
    """A ratio that must not be exceeded: `of` divided by `against`, in medians of the rounds."""

    of: str
    against: str
    most: float


def arguments(description: str) -> argparse.Namespace:
    return parser(description).parse_args()


def parser(description: str) -> argparse.ArgumentParser:
    """What every command takes, to be added to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--runs", type=int, default=100, help="runs a round and peer (default 100)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    return parser


@contextmanager
def server() -> Iterator[redis_servers.RedisServer]:
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_servers.running(redis_servers.VALKEY, Path(folder)) as running,
    ):
        os.environ["REDIS_URL"] = running.url
        yield running


@contextmanager
def worker(
    module: str,
    slots: int,
    stamps: Path,
    tasks: str = "singletrack_bench_tasks",
    root: Path = ROOT,
    **more: str,
) -> Iterator[None]:
    """A worker process of one peer; `module` holds its Celery app, `root` its code.

    `more` are further variables, and of them BENCH_QUEUE the queue it takes messages from.
    """
    path = (root / "core", root / "worker", ROOT / "bench")
    environment = os.environ | {
        "BENCH_STAMPS": str(stamps),
        "SINGLETRACK_TASKS": tasks,
        "PYTHONPATH": os.pathsep.join([*map(str, path), *_path_given()]),
        **more,
    }
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]
    queue = ["-Q", more["BENCH_QUEUE"]] if "BENCH_QUEUE" in more else []
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", module, "worker", "-c", str(slots), *quiet, *queue],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _path_given() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def read_stamps(path: Path, lines: int, timeout_seconds: float = 120) -> list[list[str]]:
    """The stamps that tasks wrote, once there are as many lines as expected."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        found = path.read_text().splitlines() if path.exists() else []
        if len(found) >= lines:
            return [line.split() for line in found]
        time.sleep(0.01)
    raise SystemExit(f"only {len(found)} of {lines} runs finished in {timeout_seconds} s")


def rounds(
    measures: Mapping[str, Callable[[], Sequence[float]]], count: int
) -> dict[str, list[float]]:
    """The median of each peer in each round, in milliseconds; the order changes every round."""
    medians: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(count):
        names = list(measures)[number % len(measures) :] + list(measures)[: number % len(measures)]
        for name in names:
            medians[name].append(statistics.median(measures[name]()) * 1000)
        line = "  ".join(f"{name} {medians[name][-1]:.2f} ms" for name in measures)
        print(f"round {number + 1} of {count}: {line}", flush=True)
    return medians


def verdict(medians: Mapping[str, list[float]], bars: Sequence[Bar], json_file: Path | None) -> int:
    """Print the spread of every peer and every ratio; 1 if a bar is missed."""
    for name, values in medians.items():
        print(f"{name:12} {_spread(values)} ms")
    report: dict[str, object] = {"medians_ms": dict(medians), "ratios": []}
    missed = 0
    for bar in bars:
        pairs = zip(medians[bar.of], medians[bar.against], strict=True)
        ratios = [one / other for one, other in pairs]
        held = statistics.median(ratios) <= bar.most
        missed += not held
        word = "held" if held else "MISSED"
        print(f"{bar.of} / {bar.against}: {_spread(ratios)}, bar {bar.most:g}: {word}")
        report["ratios"] += [{"of": bar.of, "against": bar.against, "values": ratios}]  # type: ignore[operator]
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=1))
    return 1 if missed else 0


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"
