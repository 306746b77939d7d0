"""`make pictures`: draws the dashboards from the answers of a real Prometheus into docs/pictures.

python -m support.pictures --again    draws what was answered last time
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from support.dashboards.__main__ import FOLDER as DASHBOARDS
from support.local_platform import ROOT
from support.pictures import answers, drawing, history
from support.prometheus import programs

from singletrack.errors import SingletrackError
from singletrack_cli.controlplane import building
from singletrack_cli.controlplane.build_progress import BuildProgress

PICTURES = ROOT / "docs" / "pictures"
ANSWERS = drawing.CACHE / "answers"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    parser.add_argument("--again", action="store_true", help="draw what was answered last time")
    given = parser.parse_args()
    progress = BuildProgress(sys.stderr)
    try:
        tools = drawing.find()
        packages = drawing.install(tools, progress)
        missing = [] if given.again and ANSWERS.is_dir() else ask(progress)
        drawing.draw(tools, packages, ANSWERS, PICTURES, progress)
    except SingletrackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130
    sys.stdout.writelines(f"Nothing to be seen: {query}\n" for query in missing)
    return 1 if missing else 0


def ask(progress: BuildProgress) -> list[str]:
    """Have minutes of life, and write what Prometheus says of them; the queries without answer."""
    plane = building.ensure(os.environ, progress)
    prometheus_3 = programs.build(os.environ, progress)
    progress.say("A real platform lives for some minutes, and a real Prometheus watches it.")
    missing = []
    with (
        tempfile.TemporaryDirectory(prefix="singletrack-") as folder,
        history.lived(Path(folder), plane, prometheus_3) as (prometheus, shown),
    ):
        progress.say(f"It lived for {shown.end - shown.begin} seconds.")
        ANSWERS.mkdir(parents=True, exist_ok=True)
        for dashboard in sorted(DASHBOARDS.glob("*.json")):
            found = answers.of_dashboard(prometheus, json.loads(dashboard.read_text()), shown)
            (ANSWERS / dashboard.name).write_text(json.dumps(found))
            missing += [f"{dashboard.stem}: {query}" for query in answers.unanswered(found)]
    return missing


if __name__ == "__main__":
    sys.exit(main())
