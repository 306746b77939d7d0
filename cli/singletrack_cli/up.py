"""`singletrack up`: a whole platform in one terminal."""

from __future__ import annotations

import asyncio
import os
import sys

from singletrack_cli import checking
from singletrack_cli.controlplane import Binaries, ensure
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.options import Options
from singletrack_cli.session import Session
from singletrack_cli.terminal import Terminal

EXAMPLES = """
**Examples**

`singletrack up` — the demo tasks; then `curl localhost:8000/start`

`singletrack up --tasks my_tasks --reload` — your own, from my_tasks.py in this folder

`singletrack up --kubernetes` — with a private API server, for kubectl

`singletrack up --kubeconfig ~/.kube/config --install-crd` — on a cluster you have

`singletrack up --redis redis://:secret@localhost:6379/0` — on a server you have
"""


def up(options: Options) -> int:
    """Start everything on this machine: ledger, worker, REST API, and with Kubernetes the operator.

    When all of it is ready, one screen shows the addresses and first commands to copy. What the
    parts log comes below, each line behind its part's name. A part that dies is started again.
    Ctrl-C stops everything in order; the data stays in the folder `.singletrack`.
    """
    environ = dict(os.environ)
    checking.check(options)
    with checking.only_user_of(options.data):
        programs = ensure(environ, BuildProgress(sys.stderr)) if options.private_cluster else None
        terminal = Terminal(sys.stdout, environ, verbose=options.verbose)
        try:
            return asyncio.run(_session(options, environ, terminal, programs))
        finally:
            terminal.close()


async def _session(
    options: Options, environ: dict[str, str], terminal: Terminal, programs: Binaries | None
) -> int:
    return await Session(options, environ, terminal).run(programs)
