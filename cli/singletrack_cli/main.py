"""The commands, and what happens when one of them cannot do its work."""

from __future__ import annotations

import sys

import typer

from singletrack.errors import SingletrackError
from singletrack_cli import command_line, ledger, up, version
from singletrack_cli.doctor import command as doctor

_INTERRUPTED = 130

app = typer.Typer(
    name="singletrack",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Background tasks that run **one at a time per lock**.",
    epilog="Start here: `singletrack up`, then `curl localhost:8000/start` in another terminal.",
)
app.command("up", epilog=up.EXAMPLES)(command_line.command(up.up))
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(ledger.app)
app.command("version")(version.version)


def run() -> int:
    """Parse the command line and act; a known failure is one sentence and exit code 1."""
    try:
        app(standalone_mode=True)
    except SingletrackError as error:
        sys.stderr.write(f"singletrack: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return _INTERRUPTED
    return 0
