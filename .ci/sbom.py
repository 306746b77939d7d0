"""Write what the platform's parts are made of, as CycloneDX: `python .ci/sbom.py FILE`.

It is read out of uv.lock and needs no network: every package that an image may hold, on any
platform, with the hashes that are checked when it is installed. What only developers need is left
out, and so is what only `singletrack up` needs, which is in no image.
"""

import subprocess
import sys
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("api", "worker", "operator", "cli")


def main():
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [uv.find_uv_bin(), "export", "--quiet", "--frozen", "--offline", "--no-cache"]
    command += ["--python", sys.executable, "--no-dev", *(f"--extra={part}" for part in PARTS)]
    command += ["--format=cyclonedx1.5", f"--output-file={target.resolve()}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
