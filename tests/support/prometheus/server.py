"""A real Prometheus of a test's own: what it scrapes, which rules it has, and what it answers.

It listens on 127.0.0.1 on a port found at run time, keeps its data in a temporary folder, and is
killed with whoever started it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from support.prometheus.programs import Programs
from support.redis_servers import free_port
from support.waiting import wait_until

from singletrack_cli.controlplane.children import Child

SCRAPE_SECONDS = 1
_READY_SECONDS = 60
_GRACE = timedelta(seconds=5)

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A page of metrics, and what discovery in a cluster would say of it."""

    address: str
    job: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer: its labels without the name, and its latest value."""

    labels: Labels
    value: float


class QueryRefused(Exception):
    """What Prometheus said of a query it could not answer."""


class Prometheus:
    """One server; `running` starts it."""

    def __init__(self, programs: Programs, folder: Path, port: int, scraped: int) -> None:
        self.port = port
        self._scraped = scraped
        command = [
            programs.prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ]
        self._process = Child(command, folder=folder, log=folder / "prometheus.log")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.ended

    # --- its API ----------------------------------------------------------------------------------

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """What an expression gives at that time, or now.

        Raises:
            QueryRefused: it is no PromQL, or cannot be evaluated.
        """
        when = {} if at is None else {"time": f"{at:.3f}"}
        return _samples(self.ask("query", query=expression, **when))

    def value(self, expression: str) -> float:
        """The one number an expression gives; 0 for an empty answer, as Grafana shows nothing."""
        found = self.query(expression)
        assert len(found) <= 1, (expression, found)
        return found[0].value if found else 0.0

    def series(self, selector: str) -> list[Labels]:
        return self.ask("series", **{"match[]": selector})

    def label_values(self, label: str, selector: str) -> list[str]:
        return self.ask(f"label/{label}/values", **{"match[]": selector})

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health, of all groups."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        return self.ask("targets", state="active")["activeTargets"]

    def ask(self, path: str, **query: str) -> Any:
        """The `data` of an answer of `/api/v1`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
            answer = json.loads(connection.getresponse().read())
        if answer["status"] != "success":
            raise QueryRefused(f"{query}: {answer['error']}")
        return answer["data"]

    # ----------------------------------------------------------------------------------------------

    def until_ready(self) -> None:
        wait_until(lambda: self.ended or self._ready(), _READY_SECONDS, "Prometheus to be ready")
        assert not self.ended, self._process.last_lines()

    def until_scraped(self, seconds: float = 30) -> None:
        """Wait until what is true now has been scraped, and is seen a step of a query ago."""
        now = self.value("time()") + SCRAPE_SECONDS

        def all_scraped() -> bool:
            found = self.query(f"timestamp(up) > {now} and up == 1")
            return len(found) == self._scraped

        wait_until(all_scraped, seconds, "every target to be scraped")

    def stop(self) -> None:
        self._process.stop(_GRACE)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.client.OK
        return False


@contextmanager
def running(
    programs: Programs, folder: Path, targets: Sequence[Target], rules: Sequence[Path] = ()
) -> Iterator[Prometheus]:
    """A server that scrapes these targets each second, and evaluates these files of rules."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(targets, rules)))
    server = Prometheus(programs, folder, free_port(), len(targets))
    try:
        server.until_ready()
        yield server
    finally:
        server.stop()


def configuration(targets: Sequence[Target], rules: Sequence[Path]) -> dict[str, Any]:
    jobs: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        found = {"targets": [target.address], "labels": {**target.labels}}
        jobs.setdefault(target.job, []).append(found)
    interval = f"{SCRAPE_SECONDS}s"
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": found} for job, found in jobs.items()
        ],
    }


def _samples(data: dict[str, Any]) -> list[Sample]:
    match data["resultType"]:
        case "scalar":
            return [Sample({}, float(data["result"][1]))]
        case "vector":
            return [_sample(each, each["value"]) for each in data["result"]]
        case _:
            return [_sample(each, each["values"][-1]) for each in data["result"]]


def _sample(series: dict[str, Any], point: Sequence[Any]) -> Sample:
    labels = {name: value for name, value in series["metric"].items() if name != "__name__"}
    return Sample(labels, float(point[1]))
