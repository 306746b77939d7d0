"""What the shop's tasks, hooks and signals did, one JSON line each, from every process."""

import json
import os
from pathlib import Path

PATH = Path(os.environ["SHOP_LOG"])


def note(event: str, **fields: object) -> None:
    line = json.dumps({"event": event, **fields}) + "\n"
    with PATH.open("a") as log:
        log.write(line)


def noted(**wanted: object) -> list[dict]:
    lines = PATH.read_text().splitlines() if PATH.exists() else []
    events = [json.loads(line) for line in lines]
    return [e for e in events if all(e.get(name) == value for name, value in wanted.items())]
