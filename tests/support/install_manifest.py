"""The chart as one file, for those without Helm: `make manifests` makes `k8s/install.yaml` of it.

It is also the picture of the default render: a change of the chart that nobody meant shows there.
Both majors of Helm must give the same text, to the letter.
"""

from __future__ import annotations

import re
import sys

from support import helm as helms
from support.helm import CHART, KUBERNETES, Helm

VALUES = CHART / "ci" / "own-valkey.yaml"
PLACE = "singletrack"

HEAD = f"""\
# Printed from charts/singletrack by `make manifests`; never edited by hand. It is the chart under
# the values in charts/singletrack/ci/own-valkey.yaml, for those without Helm:
#
#   kubectl create namespace {PLACE}
#   kubectl -n {PLACE} create secret generic ledger-password \\
#     --from-literal=password=$(openssl rand -hex 24)
#   kubectl -n {PLACE} apply -f k8s/install.yaml
#
# It has to be this namespace. The images have no registry in their names.
"""


def manifest(helm: Helm) -> str:
    """The file's text."""
    rendered = helm.run(
        "template",
        PLACE,
        str(CHART),
        f"--namespace={PLACE}",
        f"--kube-version={KUBERNETES}",
        f"--values={VALUES}",
        "--skip-tests",
    )
    without_blanks = "\n".join(line.rstrip() for line in rendered.splitlines())
    return HEAD + re.sub(r"\n{2,}---\n", "\n---\n", without_blanks).strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(manifest(helms.find(4)))
