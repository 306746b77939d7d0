"""The CustomResourceDefinition, made from the field tables; k8s/crd.yaml is its printed form."""

from __future__ import annotations

from typing import Any

from singletrack.custom_resource import (
    CATEGORY,
    GROUP,
    KIND,
    PLURAL,
    RESOURCE,
    SHORT_NAME,
    SINGULAR,
    VERSION,
)
from singletrack.custom_resource.fields import Field, Rule
from singletrack.custom_resource.spec_fields import SPEC
from singletrack.custom_resource.status_fields import STATUS

PROMISE = (
    "An accepted run gets exactly one terminal state. Its code starts at most once per attempt "
    "(one attempt by default). At most one valid lease exists per lock. With `onLost: Hold` at "
    "most one process per lock runs at all; with the default `Release`, a process that was frozen "
    "for longer than its lease may overlap for under a second after it wakes, and every resource "
    "that checks the fencing token rejects it. If Redis loses acknowledged writes, new starts "
    "pause for a grace period and running work is adopted."
)

_ROOT = Field(
    name="TaskRun",
    text="A TaskRun is one run of a registered task, one at a time per lock.\n\n" + PROMISE,
    type="object",
    fields=(SPEC, STATUS),
    rules=(
        Rule(
            expression="!has(oldSelf.status) || !has(oldSelf.status.completionTime) || "
            "self.spec == oldSelf.spec",
            message="spec cannot be changed once the run has ended; create a new TaskRun instead",
            field_path=".spec",
        ),
        Rule(
            expression="!has(oldSelf.status) || !has(oldSelf.status.completionTime) || "
            "self.status == oldSelf.status",
            message="status cannot be changed once the run has ended",
            field_path=".status",
        ),
        Rule(
            expression="!has(oldSelf.status) || !has(oldSelf.status.startTime) || "
            "self.spec.priority == oldSelf.spec.priority",
            message="priority cannot be changed once the run has started",
            field_path=".spec.priority",
        ),
    ),
)

#: Fields a list or a watch can be narrowed by, beside the name and the namespace.
SELECTABLE = (
    ".status.phase",
    ".status.completionTime",
    ".status.lock.key",
    ".status.worker",
    ".spec.task",
    ".spec.queue",
)

_CONDITION = ".status.conditions[?(@.type=='{type}')].{field}"


def _column(name: str, path: str, text: str, kind: str = "string", *, wide: bool = False) -> Any:
    column: dict[str, Any] = {
        "name": name,
        "type": kind,
        "jsonPath": path,
        "description": text,
    }
    return column | ({"priority": 1} if wide else {})


def _condition(kind: str, field: str) -> str:
    return _CONDITION.format(type=kind, field=field)


def _columns() -> list[Any]:
    succeeded = _condition("Succeeded", "message")
    return [
        _column("Task", ".spec.task", "The task."),
        _column("Phase", ".status.phase", "Where the run is in its life."),
        _column("Reason", _condition("Succeeded", "reason"), "Why it is there."),
        _column("Lock", ".status.lock.key", "The lock it holds or waits for."),
        _column("Started", ".status.startTime", "Since when its code runs, or ran.", "date"),
        _column("Age", ".metadata.creationTimestamp", "Since when it exists.", "date"),
        _column("Queue", ".spec.queue", "The broker queue.", wide=True),
        _column("Attempt", ".status.attempt", "How often it started.", "integer", wide=True),
        _column("Worker", ".status.worker", "Who executes it.", wide=True),
        _column("Token", ".status.lock.fencingToken", "The fencing token.", "integer", wide=True),
        _column("Message", succeeded, "The reason in a sentence.", wide=True),
    ]


def custom_resource_definition() -> dict[str, Any]:
    """The whole object, ready to be applied."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _ROOT.to_schema()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(),
        "selectableFields": [{"jsonPath": path} for path in SELECTABLE],
    }
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": SINGULAR,
        "shortNames": [SHORT_NAME],
        "categories": [CATEGORY],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": RESOURCE, "labels": {"app.kubernetes.io/part-of": CATEGORY}},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
