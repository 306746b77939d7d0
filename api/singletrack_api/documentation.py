"""What `/openapi.json` says beyond what FastAPI finds out: the problem documents of each route."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from singletrack_api.errors import MEDIA_TYPE, TYPE_BASE
from singletrack_api.rights import RIGHTS
from singletrack_api.schemas import Problem

_REFERENCE = "#/components/schemas/Problem"

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that the cluster has issued for this API; not on a loopback address.",
}

_EXAMPLE = {
    "type": f"{TYPE_BASE}lock-held",
    "title": "Another run holds this lock",
    "status": 409,
    "detail": "lock 'default/default' is held by run 4f0c…",
    "instance": "/v1/namespaces/default/runs",
    "code": "lock-held",
    "requestId": "0b7d…",
    "lock": {"key": "default/default", "holder": {"id": "4f0c…", "name": ""}},
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these problems."""
    return {status: _response(status) for status in statuses} | {"default": _response(None)}


def described(status: int, model: Any, words: str) -> dict[int | str, dict[str, Any]]:
    """One more good answer of a route."""
    return {status: {"model": model, "description": words}}


def _response(status: int | None) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": _REFERENCE}}
    if status == HTTPStatus.CONFLICT:
        media["example"] = _EXAMPLE
    words = HTTPStatus(status).phrase if status else "Any other problem"
    return {"description": words, "content": {MEDIA_TYPE: media}}


def install(app: FastAPI) -> None:
    """Let `app` describe itself with the problem model; made when first asked for."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_problem_schemas())
            document["components"]["securitySchemes"] = {"bearer": _BEARER}
            for path in document["paths"].values():
                for operation in path.values():
                    _guarded(operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # FastAPI's documented way


def _guarded(operation: dict[str, Any]) -> None:
    """Say of a route with a right that it may want a token, and how it answers without."""
    if operation["operationId"] in RIGHTS:
        operation["security"] = [{"bearer": []}, {}]
        refused = {str(status): _response(status) for status in (401, 403)}
        operation["responses"] = dict(sorted((operation["responses"] | refused).items()))


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}
