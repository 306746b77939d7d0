"""`python -m singletrack_cli.controlplane build | where | run`.

For makefiles, test set-ups and people who only want an API server; `singletrack up` has its own way
in.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane.binaries import search
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.building import ensure
from singletrack_cli.controlplane.errors import ControlPlaneError
from singletrack_cli.controlplane.server import ControlPlane

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if chosen.command == "where":
            return where()
        if chosen.command == "build":
            return build()
        return run(chosen.data, durable=chosen.fsync)
    except ControlPlaneError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return _INTERRUPTED


def where() -> int:
    """Say where the programs are, without building them; 1 if they are nowhere."""
    result = search(os.environ, sources.find(os.environ))
    if result.found is None:
        sys.stderr.write(f"{result.why}\n")
        return 1
    sys.stdout.write(f"{result.found.folder}\n")
    return 0


def build() -> int:
    programs = ensure(os.environ, BuildProgress(sys.stderr))
    sys.stdout.write(f"{programs.folder}\n")
    return 0


def run(data: Path | None, *, durable: bool) -> int:
    """Run until interrupted; prints the kubeconfig's path when the API server is ready."""
    programs = ensure(os.environ, BuildProgress(sys.stderr))
    with ExitStack() as held:
        folder = data or Path(
            held.enter_context(tempfile.TemporaryDirectory(prefix="singletrack-"))
        )
        plane = held.enter_context(ControlPlane.start(programs, folder, durable=durable))
        try:
            sys.stdout.write(f"{plane.kubeconfig}\n")
            sys.stdout.flush()
            ended = plane.wait()
        except KeyboardInterrupt:
            return 0
        sys.stderr.write(
            f"A server ended by itself; the end of {ended.log}:\n{ended.last_lines()}\n"
        )
    return 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends this as Ctrl-C does: in order."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m singletrack_cli.controlplane")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the programs unless they are there; print the folder")
    commands.add_parser("where", help="print the folder of the programs; never builds")
    runner = commands.add_parser("run", help="run a control plane until interrupted")
    runner.add_argument("--data", type=Path, help="keep its data here, instead of throwing it away")
    runner.add_argument(
        "--no-fsync", dest="fsync", action="store_false", help="faster, not durable: for tests"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
