"""The command line of `singletrack doctor`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from singletrack_cli.errors import CannotStart

EXAMPLES = """
**Examples**

`singletrack doctor` — the server in REDIS_URL, its broker and workers, this machine

`singletrack doctor --kubeconfig ~/.kube/config` — also the cluster: resource, operator's rights

`singletrack doctor --json | jq '.checks[] | select(.status == "error")'`

**Exit code:** 0 nothing to do, 1 warnings, 2 errors.
"""

Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        envvar="SINGLETRACK_KUBECONFIG",
        metavar="FILE",
        help="Look at this cluster too; a context is never used by accident.",
    ),
]
Context = Annotated[
    str, typer.Option(metavar="NAME", help="Another context of that file than its current one.")
]
Account = Annotated[
    str,
    typer.Option(
        metavar="NAMESPACE/NAME",
        help="The operator's ServiceAccount; where there is none, the kubeconfig's own account.",
    ),
]
Timeout = Annotated[float, typer.Option(min=1, help="How many seconds each look may take.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def doctor(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    operator_account: Account = "singletrack/singletrack-operator",
    timeout: Timeout = 10.0,
    json: AsJson = False,
) -> None:
    """Look at an installation and say what is weak, what mends it, and what it promises.

    Reads the same environment as the components (REDIS_URL, SINGLETRACK_…) and changes nothing.
    """
    # They load the clients of everything; `up` and `--help` do without.
    from singletrack.adapters.kubernetes.reviewing import ServiceAccount
    from singletrack_cli.doctor import reporting
    from singletrack_cli.doctor.examination import examine
    from singletrack_cli.doctor.facts import Target

    namespace, _, name = operator_account.partition("/")
    if not name:
        raise CannotStart(f"--operator-account {operator_account!r}: write NAMESPACE/NAME")
    account = ServiceAccount(namespace=namespace, name=name)
    target = Target(kubeconfig=kubeconfig, context=context, operator=account, seconds=timeout)
    diagnosis = asyncio.run(examine(target))
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = reporting.as_text(diagnosis, coloured=coloured)
    typer.echo(reporting.as_json(diagnosis) if json else text, nl=json)
    raise typer.Exit(reporting.exit_code(diagnosis))
