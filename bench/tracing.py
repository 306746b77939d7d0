"""What tracing costs where it is off, against a checkout without it, and where it is on.

First what a run passes of it in the child, alone and by the processor's time, which a busy machine
does not change; then whole runs, each peer's beside the others' one by one.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
import timeit
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import measuring  # it sets the path for what follows

MOST_OFF = 1.05
MOST_ON = 2.0
MOST_HOOKS_US = 20.0
CALLS = 20_000


def main() -> int:
    parser = measuring.parser(__doc__ or "")
    parser.add_argument(
        "--without",
        type=Path,
        help="a checkout of a commit without tracing (git worktree add); else only off and on",
    )
    options = parser.parse_args()
    if options.without and not (options.without / "core" / "singletrack").is_dir():
        parser.error(f"{options.without} is no checkout")
    missed = _hooks(options.rounds)
    with ExitStack() as stack:
        stack.enter_context(measuring.server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        roots = {"off": measuring.ROOT, "on": measuring.ROOT}
        roots |= {"without": options.without.resolve()} if options.without else {}
        medians = _rounds(_start(stack, roots, folder), folder, options)
    bars = [measuring.Bar("off", "without", MOST_OFF)] if options.without else []
    bars.append(measuring.Bar("on", "off", MOST_ON))
    return measuring.verdict(medians, bars, options.json) or missed


def _start(stack: ExitStack, roots: dict[str, Path], folder: Path) -> list[str]:
    """A worker for each peer, with a queue of its name."""
    import blessing  # it reads REDIS_URL, which the server has set

    blessing.bless()
    sink = stack.enter_context(_sink())
    for name, root in roots.items():
        given = {"BENCH_QUEUE": name, **(sink if name == "on" else {})}
        app, tasks = "singletrack_worker.app:app", "singletrack_bench_tasks"
        stack.enter_context(measuring.worker(app, 2, folder / name, tasks, root, **given))
    blessing.use_packaged_app()
    return list(roots)


def _rounds(peers: list[str], folder: Path, options: object) -> dict[str, list[float]]:
    """The median of each peer in each round; after each run of one comes one of the next."""
    from singletrack_bench_tasks import stamp_gated

    medians: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(options.rounds):
        found: dict[str, list[float]] = {name: [] for name in peers}
        for run in range(options.runs):
            first = run % len(peers)
            for name in peers[first:] + peers[:first]:
                found[name].append(_latency(stamp_gated, name, folder / name))
        for name, values in found.items():
            medians[name].append(statistics.median(values) * 1000)
        line = "  ".join(f"{name} {medians[name][-1]:.2f} ms" for name in peers)
        print(f"round {number + 1} of {options.rounds}: {line}", flush=True)
    return medians


def _hooks(rounds: int) -> int:
    """Everything a run passes in the child that executes it, where tracing is off."""
    from singletrack import tracing
    from singletrack.lifecycle import State
    from singletrack.run import Outcome
    from singletrack_worker.direct import Message
    from singletrack_worker.traced import RunTrace

    message = Message(run_id="1", task="stamp_gated")
    outcome = Outcome(state=State.SUCCEEDED)

    def passed() -> None:
        with RunTrace.of(None, message) as trace:
            with trace.gate() as seen:
                _ = seen.traceparent
            with trace.attempt(None):
                _ = {**tracing.carried()}
                trace.ended(outcome)

    timings = timeit.repeat(passed, timer=time.process_time, number=CALLS, repeat=rounds)
    micros = [seconds / CALLS * 1e6 for seconds in timings]
    held = statistics.median(micros) <= MOST_HOOKS_US
    spread = f"{min(micros):.1f} / {statistics.median(micros):.1f} / {max(micros):.1f}"
    print(f"hooks, off: {spread} us a run, bar {MOST_HOOKS_US:g}: {'held' if held else 'MISSED'}")
    return 0 if held else 1


def _latency(task: object, queue: str, stamps: Path) -> float:
    """From sending a message to the first line of the task."""
    stamps.unlink(missing_ok=True)
    sent = time.monotonic()
    task.apply_async(queue=queue)
    return float(measuring.read_stamps(stamps, 1)[0][0]) - sent


@contextmanager
def _sink() -> object:
    """Where spans go in the worker that traces."""

    class Swallowing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Swallowing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}"}
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    raise SystemExit(main())
