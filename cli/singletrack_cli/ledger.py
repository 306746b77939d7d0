"""`singletrack ledger`: what an installation's administrator does to the ledger's server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from singletrack_cli.errors import CannotStart

R = TypeVar("R")

_LOOK_SECONDS = 0.5

app = typer.Typer(
    name="ledger",
    no_args_is_help=True,
    help="Prepare the ledger's server, and make a user with few rights for each part.",
)

USERS = """
**Examples**

`singletrack ledger users --passwords secrets/ | redis-cli -u "$ADMIN_URL"` — make or change them

`singletrack ledger users --queue reports --queue mail` — queues beside the default one

`REDIS_URL="$ADMIN_URL" singletrack ledger users --passwords secrets/ --apply` — without redis-cli
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


Apply = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Make the users on the server in REDIS_URL, as its administrator, and save "
        "them there if it has an ACL file.",
    ),
]
Patience = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, help="How long the server may keep away."),
]


@app.command()
def prepare(*, wait: Patience = 0) -> None:
    """Load the ledger's functions into the server in REDIS_URL, and note how it syncs.

    Parts whose Redis user may not do so wait until it is done: at every new version, and after
    `appendfsync` was changed.
    """
    from singletrack.adapters.redis_ledger import RedisLedger
    from singletrack.settings import LedgerSettings

    ledger = RedisLedger.from_settings(LedgerSettings())
    try:
        typer.echo(f"ready: {_patiently(ledger.prepare, wait).summary}")
    finally:
        ledger.close()


@app.command(epilog=USERS)
def users(
    *,
    passwords: Passwords = None,
    queue: Queues = None,
    server_version: ServerVersion = "7.2",
    apply: Apply = False,
    wait: Patience = 0,
) -> None:
    """Print the commands that make a Redis user for each part: `singletrack-worker` and so on.

    SINGLETRACK_KEY_PREFIX and SINGLETRACK_DEFAULT_QUEUE count as for the parts.
    """
    from singletrack.adapters.redis_ledger.roles import Role, rules
    from singletrack.adapters.redis_ledger.users import make_users, user_name
    from singletrack.settings import Settings

    settings = Settings()
    queues = sorted({settings.broker.default_queue, *(queue or ())})
    made = {}
    for role in Role:
        made[role] = rules(role, settings.ledger.key_prefix, queues, server_version)
        if passwords is not None:
            made[role].append(f"#{_hash(passwords / role)}")
    if not apply:
        for role, said in made.items():
            typer.echo(f"ACL SETUSER {user_name(role)} {' '.join(said)}")
        return
    saved = _patiently(partial(make_users, settings.ledger.redis_url, made), wait)
    kept = "saved" if saved else "not saved: the server has no ACL file, and forgets them"
    typer.echo(f"made: {', '.join(map(user_name, made))}; {kept}")


def _patiently(act: Callable[[], R], seconds: float) -> R:
    """Try until the server answers, at most for so long."""
    from singletrack.errors import LedgerUnavailable

    deadline = time.monotonic() + seconds
    told = False
    while True:
        try:
            return act()
        except LedgerUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            if not told:
                typer.echo(f"waiting, at most {seconds:g} s: {error}", err=True)
            told = True
            time.sleep(_LOOK_SECONDS)


def _hash(file: Path) -> str:
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise CannotStart(f"the password of a role cannot be read: {error}") from error
    if not password:
        raise CannotStart(f"{file} is empty: write the password of {file.name} into it")
    return hashlib.sha256(password.encode()).hexdigest()
