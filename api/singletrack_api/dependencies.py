"""What routes ask for: the parts of the application, checked path and header values, guards."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Header, Path, Query
from starlette.requests import Request

from singletrack import logs, traceparent
from singletrack.errors import RunNotFound
from singletrack.operations import GetRun
from singletrack.run import Run
from singletrack.scope import DNS_LABEL
from singletrack_api.errors import FOREIGN_ORIGIN, NOT_JSON, Refusal
from singletrack_api.parts import Parts

LONGEST_WAIT_SECONDS = 60.0

_WAIT = re.compile(r"(?:^|[,;]\s*)wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)


async def the_parts(request: Request) -> Parts:
    """What the application was put together from."""
    parts: Parts = request.app.state.parts
    return parts


async def no_foreign_origin(request: Request) -> None:
    """Keep web pages from driving an API that trusts everybody on this machine.

    A page may send a cross-site request, or point a name of its own at the loopback address. The
    browser tells on both: by `Sec-Fetch-Site`, or by a public name in `Host`. Where callers have to
    show a token there is nothing to protect: no browser adds one of its own accord.
    """
    if request.app.state.parts.access is not None:
        return
    site = request.headers.get("sec-fetch-site", "")
    if site in {"cross-site", "same-site"}:
        raise Refusal(FOREIGN_ORIGIN, "this request comes from another web site")
    host = request.headers.get("host", "")
    if _is_public_name(host):
        raise Refusal(FOREIGN_ORIGIN, f"the API is not called {host!r}; use its address")


def _is_public_name(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    if "." not in name or name.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False


async def json_only(request: Request) -> None:
    """Say clearly that a body must be JSON, instead of calling it malformed."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = request.headers.get("content-length", "0") == "0"
    if empty and "transfer-encoding" not in request.headers:
        return
    patches = request.method == "PATCH" and media_type == "application/merge-patch+json"
    if media_type != "application/json" and not patches:
        raise Refusal(NOT_JSON, "send the header Content-Type: application/json")


async def preferred_wait(prefer: Prefer = "") -> float:
    """How long the client would wait for the end of the run, in seconds."""
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT_SECONDS) if found else 0.0


def remember(run: Run) -> Run:
    """Have every later log line of this request say which run it is about."""
    logs.note_run(run.run_id, run.spec.task, run.spec.lock, run.attempt)
    return run


async def the_run(parts: PartsHere, ns: Namespace, run_id: RunId) -> Run:
    """The run of that id in that namespace.

    Raises:
        RunNotFound: there is none.
    """
    logs.note_run(run_id)
    run = await parts.ledger.execute(GetRun(run_id=run_id))
    if run is None or run.gone or run.spec.namespace != ns:
        raise RunNotFound(f"namespace {ns!r} has no run with the id {run_id!r}")
    return remember(run)


async def given_traceparent(request: Request) -> str:
    """The caller's place in a trace, as the W3C header says it; a wrong one is none."""
    return traceparent.checked(request.headers.get(traceparent.NAME))


PartsHere = Annotated[Parts, Depends(the_parts)]
Namespace = Annotated[str, Path(pattern=DNS_LABEL, examples=["default"])]
RunId = Annotated[str, Path(min_length=1, max_length=255)]
Wait = Annotated[float, Depends(preferred_wait)]
GivenTrace = Annotated[str, Depends(given_traceparent)]
TheRun = Annotated[Run, Depends(the_run)]
Prefer = Annotated[
    str,
    Header(
        max_length=200,
        description=f"`wait=N`: answer at the end of the run, or after N seconds (at most "
        f"{LONGEST_WAIT_SECONDS:g}).",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$",
        description="The same key with the same body is the same run, however often it is sent.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9a-f]{1,13}$", description="`next` of the page before; opaque."),
]

DryRun = Annotated[
    Literal["All"] | None,
    Query(alias="dryRun", description="`All`: say what would happen, and let nothing happen."),
]

GUARDS: list[Any] = [Depends(no_foreign_origin)]
JSON_ONLY: list[Any] = [Depends(json_only)]
