"""One page of a list, as every list route answers it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response


def paged(
    items: Sequence[dict[str, Any]], following: str | None, target: str, limit: int
) -> Response:
    """The items, and where the next page is: in `next`, and as a whole URL in `Link`."""
    headers = {}
    if following:
        query = urlencode({"limit": limit, "cursor": following})
        headers["Link"] = f'<{target}?{query}>; rel="next"'
    content = json.dumps({"items": list(items), "next": following})
    return Response(content, 200, headers, "application/json")
