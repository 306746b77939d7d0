"""Single requests to the API server, with the standard library.

Enough to ask whether it is ready and to make a few objects; watching and caching belong to the
Kubernetes clients of other parts, whose memory the command line need not carry.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from singletrack_cli.controlplane.certificates import Certificates
from singletrack_cli.controlplane.errors import RequestRefused

_REFUSED = 400


class Client:
    """The administrator of one API server, on this machine unless a `host` is named."""

    def __init__(
        self,
        port: int,
        certificates: Certificates,
        *,
        host: str = "127.0.0.1",
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self.host = host
        self.port = port
        self._timeout = timeout.total_seconds()
        self._context = ssl.create_default_context(cafile=str(certificates.authority))
        self._context.load_cert_chain(certificates.admin, certificates.admin_key)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer; `RequestRefused` for an error status, `OSError` if there is none."""
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=self._timeout, context=self._context
        )
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = _decoded(response)
        finally:
            connection.close()
        if response.status >= _REFUSED:
            raise _refusal(response.status, answer)
        return answer

    def is_ready(self) -> bool:
        """Whether it answers, and every part of its own start is over."""
        try:
            self.request("GET", "/readyz")
        except (OSError, http.client.HTTPException, RequestRefused):
            return False
        return True


def _decoded(response: http.client.HTTPResponse) -> Any:
    text = response.read().decode()
    if response.headers.get_content_type() == "application/json":
        return json.loads(text)
    return text


def _refusal(status: int, answer: Any) -> RequestRefused:
    if isinstance(answer, dict):
        return RequestRefused(
            str(answer.get("message")), status=status, reason=str(answer.get("reason"))
        )
    return RequestRefused(str(answer), status=status, reason="")
