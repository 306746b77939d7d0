"""What these tests stand on: a real API server, the real operator, and a worker by hand."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from support.redis_servers import RedisServer
from support.taskruns import wish
from support.waiting import InVain, wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.catalogue import CatalogueEntry
from singletrack.lifecycle import State
from singletrack.pods import Pod
from singletrack.run import Failure, Outcome, Run
from singletrack.settings import LedgerSettings
from singletrack_cli.controlplane.server import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
SOON = 60.0

#: The verb of a request in the audit log, and what it is for the metrics.
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}

#: A server that has forgotten even its own settings is trusted again after so long.
FAST_BLESSING = {
    "SINGLETRACK_LEASE_SECONDS": "3",
    "SINGLETRACK_RENEW_SECONDS": "0.5",
    "SINGLETRACK_FENCE_SECONDS": "0.8",
    "SINGLETRACK_MARGIN_SECONDS": "0.5",
    "SINGLETRACK_BLESSING_GRACE_SECONDS": "3.5",
}

Answer = subprocess.CompletedProcess[str]


def taskrun(name: str = "", task: str = "hello", **spec: Any) -> dict[str, Any]:
    """A manifest; without a name it gets a `generateName`."""
    return wish({"task": task} | spec, name=name)


class Cluster:
    """The API server, as its administrator sees it through kubectl."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.namespace = "singletrack"

    def kubectl(self, *arguments: str, config: Path | None = None, stdin: Any = None) -> Answer:
        """Run it, whatever comes of it; `stdin` is written as JSON."""
        return subprocess.run(
            self.command(*arguments, config=config),
            input=None if stdin is None else json.dumps(stdin),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def command(self, *arguments: str, config: Path | None = None) -> list[str]:
        return [
            str(self.plane.programs.kubectl),
            f"--kubeconfig={config or self.plane.kubeconfig}",
            f"--namespace={self.namespace}",
            *arguments,
        ]

    def do(self, *arguments: str, stdin: Any = None) -> str:
        """Run it and answer what it said; it must go well."""
        answer = self.kubectl(*arguments, stdin=stdin)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return json.loads(self.do("create", "-f", "-", "-o", "json", stdin=manifest))

    def get(self, name: str) -> dict[str, Any] | None:
        answer = self.kubectl("get", "strun", name, "-o", "json", "--ignore-not-found")
        return json.loads(answer.stdout) if answer.stdout else None

    def phase(self, name: str) -> str:
        found = self.get(name)
        return found["status"]["phase"] if found else ""

    def until_phase(self, name: str, phase: str) -> dict[str, Any]:
        """Wait for a phase and answer the TaskRun."""
        wait_until(lambda: self.phase(name) == phase, SOON, f"{name} to be {phase}")
        found = self.get(name)
        assert found is not None
        return found

    def condition(self, found: dict[str, Any], kind: str) -> dict[str, Any]:
        return next(each for each in found["status"]["conditions"] if each["type"] == kind)

    def writes(self) -> Counter[str]:
        """The writes of TaskRuns of this namespace, by verb, subresource and code.

        From the API server's audit log: what it counts does not know of namespaces, and the runs of
        earlier tests live on.
        """
        return self._written(self.namespace)

    def assert_written(self, expected: Counter[str], since: Counter[str] | None = None) -> None:
        """Exactly these; the server notes a write a moment after others can see it."""

        def counted() -> Counter[str]:
            return self.writes() - (since or Counter())

        wait_until(lambda: counted().total() >= expected.total(), SOON, f"writes: {expected}")
        assert counted() == expected

    def all_writes(self) -> tuple[Counter[str], Counter[str]]:
        """Those of all namespaces: by the audit log, and by the server's metrics.

        Both at one moment: an operator of an earlier test may write between the two looks.
        """

        def at_one_moment() -> tuple[Counter[str], Counter[str]] | None:
            written, counted, again = self._written(), self._counted(), self._written()
            return (written, counted) if written == again else None

        return wait_until(at_one_moment, SOON, "a moment without a write")

    def _written(self, namespace: str = "") -> Counter[str]:
        written: Counter[str] = Counter()
        for line in self.plane.audit_log.read_text().splitlines():
            event = json.loads(line)
            asked = event["objectRef"]
            verb = METHODS.get(event["verb"])
            if (
                verb
                and asked["resource"] == "taskruns"
                and asked["namespace"].startswith(namespace)
            ):
                code = event["responseStatus"]["code"]
                written[f"{verb} {asked.get('subresource', '')} {code}"] += 1
        return written

    def _counted(self) -> Counter[str]:
        text = self.plane.client.request("GET", "/metrics")
        counted: Counter[str] = Counter()
        for labels, number in re.findall(r"^apiserver_request_total\{(.*)\} (\d+)", text, re.M):
            known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if known["resource"] == "taskruns" and known["verb"] in METHODS.values():
                counted["{verb} {subresource} {code}".format(**known)] += int(number)
        return counted


class OperatorProcess:
    """The real operator with its own ServiceAccount's rights, as a process."""

    def __init__(
        self,
        cluster: Cluster,
        server: RedisServer,
        folder: Path,
        account: str = "singletrack-operator",
    ) -> None:
        self.key_prefix = f"t{secrets.token_hex(5)}"
        self.log_file = folder / "operator.log"
        config = cluster.plane.service_account_kubeconfig("singletrack", account)
        self.environment = {
            "REDIS_URL": server.url,
            "SINGLETRACK_KEY_PREFIX": self.key_prefix,
            "SINGLETRACK_KUBECONFIG": str(config),
            "SINGLETRACK_OPERATOR_PORT": "0",
            "SINGLETRACK_RECORD_LOST_SECONDS": "1",
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("core", "operator")),
        }
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self, *, ready: bool = True, **environment: str) -> None:
        begun_at = len(self.log)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "singletrack_operator"],
                env=os.environ | self.environment | environment,
                stdout=log,
                stderr=log,
            )

        def port() -> int:
            if not self.alive:
                raise InVain(self.log[begun_at:])
            found = re.findall(r"operator_serving.*port=(\d+)", self.log[begun_at:])
            return int(found[0]) if found else 0

        self.port = wait_until(port, SOON, "the operator to serve")
        if ready:
            wait_until(lambda: self.ask("/readyz")[0] == 200, SOON, "the operator to be ready")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it and answer its exit code."""
        if self._process is None:
            return 0
        if self.alive:
            self._process.send_signal(with_signal)
        try:
            return self._process.wait(SOON)
        finally:
            if self.alive:
                self._process.kill()
                self._process.wait(5)

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=5
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels."""
        total = 0.0
        for line in self.ask("/metrics")[1].splitlines():
            match = re.match(rf"{name}(?:\{{(.*)\}})? (\S+)$", line)
            if (
                match
                and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', match[1] or "")).items()
            ):
                total += float(match[2])
        return total


def ledger_settings(server: RedisServer, key_prefix: str) -> LedgerSettings:
    return LedgerSettings.model_validate({"REDIS_URL": server.url, "key_prefix": key_prefix})


@contextmanager
def hand_worker(server: RedisServer, key_prefix: str) -> Iterator[HandWorker]:
    """One whose task `hello` is registered."""
    hand = HandWorker(server, key_prefix)
    with closing(hand.ledger):
        hand.register()
        yield hand


class HandWorker:
    """A worker by hand: it takes the steps a worker takes in the ledger, when a test says so."""

    pod: Pod | None = None
    """Where it says it is."""

    def __init__(self, server: RedisServer, key_prefix: str) -> None:
        self.ledger = RedisLedger(ledger_settings(server, key_prefix))
        self.ledger.prepare()

    def register(self, task: str = "hello", **fields: Any) -> None:
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "additionalProperties": False,
        }
        entry = CatalogueEntry(**({"name": task, "parameters": schema} | fields))
        self.ledger.execute(ops.RegisterTasks(entries={task: entry.to_json()}))

    def run(self, created: dict[str, Any]) -> Run | None:
        return self.ledger.execute(ops.GetRun(run_id=created["metadata"]["uid"]))

    def state(self, created: dict[str, Any]) -> State | None:
        record = self.run(created)
        return record.state if record else None

    def until_state(self, created: dict[str, Any], state: State) -> None:
        wait_until(lambda: self.state(created) is state, SOON, f"the record to be {state}")

    def until_waiting(self, *created: dict[str, Any]) -> None:
        """Wait until these are the waiting list of their lock, in this order."""
        record = self.run(created[0])
        assert record is not None
        lock, wanted = ops.GetLock(lock=record.spec.lock), [c["metadata"]["uid"] for c in created]
        wait_until(lambda: list(self.ledger.execute(lock).waiting) == wanted, SOON, "this order")

    def start(self, created: dict[str, Any]) -> None:
        """Claim and begin, as soon as the run is ready."""
        self.until_state(created, State.READY)
        run_id = created["metadata"]["uid"]
        claim = ops.Claim(run_id=run_id, nonce="n", worker="hand@test", pod=self.pod)
        assert self.ledger.execute(claim).verdict is ops.Verdict.OK
        begun = self.ledger.execute_durably(ops.Begin(run_id=run_id, nonce="n"))
        assert begun.verdict is ops.Verdict.OK

    def finish(self, created: dict[str, Any], result: str = '{"said": "hello"}') -> None:
        self._finish(created, Outcome(state=State.SUCCEEDED, result=result))

    def fail(self, created: dict[str, Any], message: str = "boom") -> None:
        failure = Failure(
            reason="TaskError",
            message=message,
            error_type="ValueError",
            traceback=f"Traceback (most recent call last):\nValueError: {message}\n",
        )
        self._finish(created, Outcome(state=State.FAILED, failure=failure))

    def die(self, created: dict[str, Any], cause: ops.Cause = ops.Cause.CANCELLED) -> None:
        """What the agent reports when the process tree is gone."""
        run_id = created["metadata"]["uid"]
        self.ledger.execute(ops.ChildGone(run_id=run_id, nonce="n", cause=cause))

    def speak(self) -> None:
        """What its agent says regularly: that it is there, and has told this server all it knows.

        Until it has, a server that has come back is not blessed.
        """
        server = self.ledger.execute(ops.ReadServer()).server_id
        self.ledger.execute(ops.Renew(agent="hand@test", reported_to=server))

    def reassert(self, executing: Run) -> None:
        """What the agent tells a server that has come back of a run that executes."""
        grant = ops.Grant(
            run_id=executing.run_id,
            nonce=executing.nonce,
            token=executing.token,
            lock=executing.spec.lock,
            attempt=executing.attempt,
        )
        restore = ops.Reassert(spec=executing.spec, grant=grant, worker="hand@test")
        reply = self.ledger.execute(restore)
        assert reply.verdict is ops.Verdict.OK, reply

    def _finish(self, created: dict[str, Any], outcome: Outcome) -> None:
        run_id = created["metadata"]["uid"]
        end = self.ledger.execute(ops.Finish(run_id=run_id, nonce="n", outcome=outcome))
        assert end.verdict is ops.Verdict.OK
