"""What pausing a lock and pausing a broker queue have in common over REST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends

from singletrack_api.dependencies import JSON_ONLY
from singletrack_api.documentation import problems
from singletrack_api.lock_schemas import PauseRequest
from singletrack_api.rights import CallerHere, asker

Route = TypeVar("Route", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a pause, and why."""

    by: str
    reason: str


async def asked(caller: CallerHere, body: Annotated[PauseRequest | None, Body()] = None) -> Asked:
    """The wish of a caller; the reason may be left out."""
    return Asked(asker(caller), body.reason if body else "")


AskedHere = Annotated[Asked, Depends(asked)]


def pause_at(router: APIRouter, path: str, **options: Any) -> Callable[[Route], Route]:
    """The decorator of a route that pauses what the path names."""
    refusals = problems(400, 413, 415, 422, 503)
    return router.post(f"{path}:pause", responses=refusals, dependencies=JSON_ONLY, **options)


def resume_at(router: APIRouter, path: str, **options: Any) -> Callable[[Route], Route]:
    """The decorator of a route that ends such a pause."""
    return router.post(f"{path}:resume", responses=problems(400, 503), **options)
