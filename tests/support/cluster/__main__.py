"""`python -m support.cluster build | up | down | import`: a real one-node Kubernetes cluster.

`make cluster` and `make cluster-down`; the tests in `tests/e2e` start one of their own. It lives in
`tests/support` and not in the command line's package because users have clusters of their own, and
beside no other start of a cluster: the Go modules it builds from are in `k8s/cluster`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from support.cluster import requirements, starting, stopping
from support.cluster.errors import ClusterError
from support.cluster.kit import Kit
from support.cluster.layout import NUMBERS, Layout
from support.cluster.running import Cluster

from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.errors import ControlPlaneError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(chosen, Layout(chosen.number))
    except (ClusterError, ControlPlaneError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return _INTERRUPTED


def _run(chosen: argparse.Namespace, layout: Layout) -> int:
    requirements.check()
    if chosen.command == "down":
        stopping.stop(layout)
        return 0
    kit = Kit.ensure(os.environ, BuildProgress(sys.stderr))
    if chosen.command == "up":
        return _up(kit, layout)
    if chosen.command == "import":
        for archive in chosen.archives:
            Cluster(layout, kit).import_image(archive)
    if chosen.command == "build":
        _say(kit)
    return 0


def _up(kit: Kit, layout: Layout) -> int:
    progress = BuildProgress(sys.stderr)
    cluster = starting.start(kit, [layout], progress)
    _say(kit)
    progress.say("It is there until `make cluster-down`. For your shell:")
    sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
    return 0


def _say(kit: Kit) -> None:
    for name, path in {
        "kubectl": kit.programs.kubectl,
        "helm": kit.programs.helm,
        f"base image ({kit.images.base_name})": f"oci-archive:{kit.images.base}",
    }.items():
        sys.stderr.write(f"{name}: {path}\n")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends this as Ctrl-C does: in order."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m support.cluster")
    parser.add_argument(
        "--number", type=int, choices=NUMBERS, default=0, help="which of several at the same time"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build programs and images unless they are there")
    commands.add_parser("up", help="start a cluster; print its kubeconfig")
    commands.add_parser("down", help="take it down, and leave nothing of it")
    importer = commands.add_parser("import", help="load image archives into it")
    importer.add_argument("archives", type=Path, nargs="+")
    return parser


if __name__ == "__main__":
    sys.exit(main())
