"""`python -m support.prometheus`: build the newer Prometheus unless it is there; print where."""

from __future__ import annotations

import os
import sys

from support.prometheus import programs

from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.errors import ControlPlaneError


def main() -> int:
    try:
        built = programs.build(os.environ, BuildProgress(sys.stderr))
    except ControlPlaneError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130
    sys.stdout.write(f"{built.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
