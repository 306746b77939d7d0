"""`python -m singletrack_cli.hosting`: the process that hosts a platform, until a signal ends it.

It lives as long as the platform, beside it, so it loads as little as it can.
"""

from __future__ import annotations

import asyncio
import os
import sys

from singletrack.errors import SingletrackError
from singletrack_cli import checking, handover
from singletrack_cli.controlplane import Binaries, ensure
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.options import Options
from singletrack_cli.session import INTERRUPTED, Session
from singletrack_cli.terminal import Terminal


def main() -> int:
    """Host what was asked for; a known failure is one sentence and exit code 1."""
    options, environ = handover.unpacked(os.environ)
    try:
        return host(options, environ)
    except SingletrackError as error:
        sys.stderr.write(f"singletrack: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return INTERRUPTED


def host(options: Options, environ: dict[str, str]) -> int:
    """The exit code.

    Raises:
        SingletrackError: it could not be started; says in one sentence why.
    """
    checking.check(options)
    with checking.only_user_of(options.data):
        programs = ensure(environ, BuildProgress(sys.stderr)) if options.private_cluster else None
        terminal = Terminal(sys.stdout, environ, verbose=options.verbose)
        try:
            return asyncio.run(_attended(options, environ, terminal, programs))
        finally:
            terminal.close()


async def _attended(
    options: Options, environ: dict[str, str], terminal: Terminal, programs: Binaries | None
) -> int:
    return await Session(options, environ, terminal).run(programs)


if __name__ == "__main__":
    sys.exit(main())
