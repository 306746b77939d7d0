"""A receiver of OTLP over HTTP: takes what exporters send, and answers as a collector does."""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from support.waiting import wait_until

SOON = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSpan:
    """One span as it was sent."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    error: str
    begun: int
    ended: int

    @property
    def run(self) -> str:
        return str(self.attributes.get("singletrack.run", ""))


class Collector:
    """Where exporters send their spans; `environment` tells them so."""

    def __init__(self) -> None:
        self.refusing = False
        self._spans: list[TakenSpan] = []
        taken = self._spans
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path != "/v1/traces" or collector.refusing:
                    self.send_error(503)
                    return
                taken.extend(_read(ExportTraceServiceRequest.FromString(body)))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        port = self._server.server_address[1]
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}

    @property
    def spans(self) -> list[TakenSpan]:
        return list(self._spans)

    def traces(self) -> dict[str, list[TakenSpan]]:
        """All spans by trace, each trace in the order its spans began."""
        found = defaultdict(list)
        for span in sorted(self.spans, key=lambda span: span.begun):
            found[span.trace].append(span)
        return dict(found)

    def of_run(self, run_id: str) -> list[TakenSpan]:
        """All spans of the traces in which a span names the run."""
        traces = {span.trace for span in self.spans if span.run == run_id}
        assert len(traces) <= 1, f"run {run_id} is in several traces: {traces}"
        return self.traces()[traces.pop()] if traces else []

    def until_of_run(self, run_id: str, *names: str) -> list[TakenSpan]:
        """Wait until the run's trace has spans with all these names, and answer it."""

        def there() -> list[TakenSpan] | None:
            found = self.of_run(run_id)
            return found if set(names) <= {span.name for span in found} else None

        return wait_until(there, SOON, f"the trace of {run_id} to have {names}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of traces for one test."""
    with collecting() as found:
        yield found


def _read(request: Any) -> Iterator[TakenSpan]:
    for group in request.resource_spans:
        service = _attributes(group.resource.attributes).get("service.name", "")
        for scope in group.scope_spans:
            for span in scope.spans:
                yield TakenSpan(
                    name=span.name,
                    service=service,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.span_id.hex() for link in span.links),
                    attributes=_attributes(span.attributes),
                    error=span.status.message
                    if span.status.code == span.status.STATUS_CODE_ERROR
                    else "",
                    begun=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                )


def _attributes(pairs: Sequence[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
