"""What `helm test` does: one run over REST, to its end; it must have run, and once."""

import json
import os
import socket
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

RUNS = f"{os.environ['API']}/v1/namespaces/{os.environ['NAMESPACE']}/runs"
TOKEN = Path("/var/run/singletrack/token").read_text()


def wait_for_the_api(seconds: float = 30) -> None:
    """A network that enforces policies may learn only now that this pod is one of the callers."""
    address = urllib.parse.urlsplit(RUNS)
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address.hostname, address.port or 80), 2).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{address.netloc} cannot be reached from here: {error}")
            time.sleep(0.2)
        else:
            return


def ask(path: str = "", body: object = None) -> dict:
    request = urllib.request.Request(RUNS + path, headers={"Authorization": f"Bearer {TOKEN}"})
    request.add_header("Prefer", "wait=50")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")


wait_for_the_api()
lock = {"key": "helm-test", "policy": "Queue"}
params = json.loads(os.environ["PARAMS"])
run = ask(body={"task": os.environ["TASK"], "params": params, "lock": lock})
run = ask(f"/{run['id']}")
print(json.dumps(run, indent=2))
if (run["phase"], run["attempt"]) != ("Succeeded", 1):
    sys.exit("the run did not run once to its end")
