"""Where spans go, as `OTEL_TRACES_EXPORTER` names it: exporters announce themselves by entry point.

The extra `tracing` brings OTLP over HTTP; whoever installs another one can name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

_GROUP = "opentelemetry_traces_exporter"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def make(environ: Mapping[str, str]) -> list[Any]:
    """Exporters as the variables name them; they have no connection yet.

    The first time they import what they speak by, which takes a while.

    Raises:
        ImportError: one of them is not installed.
        ValueError: the variables say of one what cannot be.
    """
    asked = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    names = [name.strip() for name in asked.split(",") if name.strip()]
    return [_find(_otlp(environ) if name == "otlp" else name)() for name in names]


def _otlp(environ: Mapping[str, str]) -> str:
    spoken = next(filter(None, map(environ.get, _PROTOCOLS)), "http/protobuf")
    return _OTLP.get(spoken.strip().lower(), spoken)


@cache
def _find(name: str) -> Any:
    """Children of a process that has found it do not look again: that takes a while."""
    found = [point for point in entry_points(group=_GROUP) if point.name == name]
    if not found:
        raise ImportError(f"no exporter of traces named {name!r} is installed")
    return found[0].load()
