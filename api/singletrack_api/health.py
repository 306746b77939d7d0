"""`/livez`, `/readyz`, `/metrics`: for supervisors and Prometheus, never for people's runs."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from singletrack.adapters.redis_ledger.server import (
    Confirmation,
    confirmation_of,
    find_unfit,
    summary,
)
from singletrack.errors import LedgerError
from singletrack.metrics.exposing import own_page, page, read_counters
from singletrack.operations import ReadServer, ServerStatus
from singletrack_api.dependencies import PartsHere
from singletrack_api.documentation import described, problems
from singletrack_api.errors import NOT_READY, Refusal
from singletrack_api.health_schemas import Live, Ready
from singletrack_api.parts import Parts

router = APIRouter(tags=["health"])


@router.get("/livez", operation_id="livez", response_model=Live)
async def livez() -> Response:
    """Whether the process answers; depends on nothing else."""
    return Response('{"status": "alive"}', media_type="application/json")


@router.get(
    "/readyz",
    operation_id="readyz",
    response_model=Ready,
    responses=described(200, Ready, "Runs are accepted and started") | problems(503),
)
async def readyz(parts: PartsHere) -> Response:
    """Whether runs can be accepted and started, and how safe an acknowledged write is."""
    try:
        server = await parts.ledger.execute(ReadServer())
    except LedgerError as error:
        raise Refusal(NOT_READY, str(error), {"ledger": {"reachable": False}}) from error
    seen = _ledger_view(server, parts)
    durability = parts.settings.ledger.durability
    for finding in find_unfit(server, durability):
        raise Refusal(NOT_READY, str(finding), {"ledger": seen})
    if not server.blessed:
        why = "may have lost records" if server.withdrawn else "has restarted"
        detail = f"the ledger's server {why}; starts wait until running work has reported"
        raise Refusal(NOT_READY, detail, {"ledger": seen})
    text = json.dumps({"status": "ready", "ledger": seen})
    return Response(text, media_type="application/json")


@router.get("/metrics", operation_id="metrics", response_class=Response)
async def metrics(request: Request, parts: PartsHere) -> Response:
    """Prometheus metrics: of the API itself, and of all runs where there is no operator."""
    own, accepted = request.app.state.metrics.registry, request.headers.get("accept", "")
    if parts.kubernetes:
        text, media_type = own_page(own, accepted)
    else:
        text, media_type = page(own, await read_counters(parts.ledger), accepted)
    return Response(text, headers={"Content-Type": media_type})


def _ledger_view(server: ServerStatus, parts: Parts) -> dict[str, Any]:
    durability = parts.settings.ledger.durability
    confirmation = confirmation_of(server, durability) or Confirmation.NONE
    return {
        "reachable": True,
        "blessed": server.blessed,
        "server": f"{server.flavour} {server.version}",
        "durability": durability,
        "durabilityDetail": summary(server, confirmation),
    }
