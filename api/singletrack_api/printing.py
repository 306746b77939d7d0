"""Prints the description of the API into `docs/reference/openapi.json`: `make openapi`."""

from __future__ import annotations

import json
import sys

from singletrack.settings import Settings
from singletrack_api.app import create_app
from singletrack_api.settings import ApiSettings


def render() -> str:
    """The document as `/openapi.json` serves it, in the order of the routes."""
    document = create_app(Settings(), ApiSettings()).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    sys.stdout.write(render())


if __name__ == "__main__":
    main()
