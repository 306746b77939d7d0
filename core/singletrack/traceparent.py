"""The place of a run in somebody's trace: the text of the W3C header `traceparent`, checked. Pure.

It travels with a run whether or not anything of the platform records spans, so that the tasks' own
tracing finds its caller.
"""

from __future__ import annotations

import re
from typing import Any

#: The header, the annotation of a TaskRun and the header of a message that hold it.
NAME = "traceparent"

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED = 0x01


def checked(text: Any) -> str:
    """The text if it is one; else the empty text, because a wrong one is to be ignored."""
    return text if isinstance(text, str) and _FORM.fullmatch(text) else ""


def trace_id(traceparent: str) -> str:
    """The id of its trace, if that is being recorded; else the empty text."""
    if not traceparent or not int(traceparent[-2:], 16) & _SAMPLED:
        return ""
    return traceparent.split("-")[1]
