"""Tells a diagnosis: a line for each check and two for each finding, or JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from singletrack.findings import Severity
from singletrack_cli.doctor.examination import Diagnosis, severities

_WIDTH = 100
_COLOURS = {"ok": "\x1b[32m", "info": "\x1b[36m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_INDENT = " " * 22

EXIT_CODES = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


def exit_code(diagnosis: Diagnosis) -> int:
    """0 sound, 1 warnings, 2 errors."""
    return max((EXIT_CODES[each.severity] for each in diagnosis.findings), default=0)


def as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(
        {
            "exitCode": exit_code(diagnosis),
            "checks": [
                {
                    "name": each.name,
                    "status": each.status,
                    "summary": each.summary,
                    "findings": [
                        {"severity": f.severity, "problem": f.problem, "remedy": f.remedy}
                        for f in each.findings
                    ],
                }
                for each in diagnosis.checked
            ],
            "promises": list(diagnosis.promises),
        },
        indent=2,
    )


def as_text(diagnosis: Diagnosis, *, coloured: bool) -> str:
    lines = [line for each in _checks(diagnosis, coloured=coloured) for line in each]
    if diagnosis.promises:
        lines += ["", "What this installation promises:"]
        lines += [line for text in diagnosis.promises for line in _wrapped(text, "  ")]
    return "\n".join([*lines, "", _last(diagnosis)]) + "\n"


def _checks(diagnosis: Diagnosis, *, coloured: bool) -> Iterator[list[str]]:
    for each in diagnosis.checked:
        status = "-" if each.status == "unknown" else each.status
        yield [f"{_styled(status, coloured=coloured)} {each.name:<12} {each.summary}".rstrip()]
        for finding in each.findings:
            yield _wrapped(f"{finding.severity}: {finding.problem.rstrip('.')}.", _INDENT)
            yield _wrapped(f"→ {finding.remedy}", _INDENT)


def _styled(status: str, *, coloured: bool) -> str:
    padded = f"{status:<8}"
    return f"{_COLOURS.get(status, '')}{padded}{_PLAIN}" if coloured else padded


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _last(diagnosis: Diagnosis) -> str:
    counted = [
        f"{n} {severity}{'s' if n > 1 else ''}" for severity, n in severities(diagnosis.findings)
    ]
    return f"{', '.join(counted)}." if counted else "Sound."
