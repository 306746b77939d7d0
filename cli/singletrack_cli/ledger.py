"""`singletrack ledger`: what an installation's administrator does to the ledger's server."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from singletrack_cli.errors import CannotStart

app = typer.Typer(
    name="ledger",
    no_args_is_help=True,
    help="Prepare the ledger's server, and print a user with few rights for each part.",
)

USERS = """
**Examples**

`singletrack ledger users --passwords secrets/ | redis-cli -u "$ADMIN_URL"` — make or change them

`singletrack ledger users --queue reports --queue mail` — queues beside the default one
"""

Passwords = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="One file for each role, named `api`, `operator`, `worker`, `loader`, with its "
        "password; only hashes are printed. Without them nobody can log in as these users.",
    ),
]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", metavar="NAME", help="A broker queue; repeatable.")
]
ServerVersion = Annotated[
    str,
    typer.Option(metavar="VERSION", help="The server's `redis_version`, also of a Valkey."),
]


@app.command()
def prepare() -> None:
    """Load the ledger's functions into the server in REDIS_URL, and note how it syncs.

    Parts whose Redis user may not do so wait until it is done: at every new version, and after
    `appendfsync` was changed.
    """
    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.settings import LedgerSettings

    ledger = RedisLedger.from_settings(LedgerSettings())
    try:
        typer.echo(f"ready: {ledger.prepare().summary}")
    finally:
        ledger.close()


@app.command(epilog=USERS)
def users(
    *, passwords: Passwords = None, queue: Queues = None, server_version: ServerVersion = "7.2"
) -> None:
    """Print the commands that make a Redis user for each part: `singletrack-worker` and so on.

    SINGLETRACK_KEY_PREFIX and SINGLETRACK_DEFAULT_QUEUE count as for the parts.
    """
    from singletrack.adapters.redis_ledger.roles import Role, rules
    from singletrack.settings import Settings

    settings = Settings()
    queues = sorted({settings.broker.default_queue, *(queue or ())})
    for role in Role:
        said = rules(role, settings.ledger.key_prefix, queues, server_version)
        if passwords is not None:
            said.append(f"#{_hash(passwords / role)}")
        typer.echo(f"ACL SETUSER singletrack-{role} {' '.join(said)}")


def _hash(file: Path) -> str:
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise CannotStart(f"the password of a role cannot be read: {error}") from error
    if not password:
        raise CannotStart(f"{file} is empty: write the password of {file.name} into it")
    return hashlib.sha256(password.encode()).hexdigest()
