"""How the options get from the process that reads them to the one that hosts the platform.

Through the environment, which other users cannot read: an address may hold a password.
"""

from __future__ import annotations

from collections.abc import Mapping

from singletrack_cli.options import Options

_VARIABLE = "SINGLETRACK_UP_OPTIONS"


def packed(options: Options, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the next process."""
    return {**environ, _VARIABLE: options.to_json()}


def unpacked(environ: Mapping[str, str]) -> tuple[Options, dict[str, str]]:
    """The options, and the environment as the user had it."""
    rest = dict(environ)
    return Options.from_json(rest.pop(_VARIABLE, "{}")), rest
