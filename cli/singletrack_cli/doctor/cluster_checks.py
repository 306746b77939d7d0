"""Checks of the cluster: does it answer, does it have the resource, may the operator work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from singletrack.adapters.kubernetes.reviewing import ClusterReport
from singletrack.custom_resource import RESOURCE
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.findings import Finding, error, info, warning
from singletrack_cli.doctor.facts import Facts

Judgement = tuple[str, Iterator[Finding]]

_APPLY = "Run: kubectl apply --server-side -f k8s/crd.yaml"
_APPLY_RIGHTS = "Run: kubectl apply -f k8s/operator-rbac.yaml"


def cluster(facts: Facts) -> Judgement:
    """Whether the API server answers."""
    return facts[ClusterReport].server, iter(())


def resource(facts: Facts) -> Judgement:
    """Whether it knows TaskRuns as this release does."""
    report = facts[ClusterReport]
    return f"{RESOURCE} served", find_stale(report, custom_resource_definition())


def rights(facts: Facts) -> Judgement:
    """Whether the operator may do its work."""
    report = facts[ClusterReport]
    return f"those of {report.account}", find_missing_rights(report)


def find_stale(report: ClusterReport, ours: Mapping[str, Any]) -> Iterator[Finding]:
    """A definition that is missing, or is that of another release."""
    if not report.served and report.definition is None:
        yield error("the API server does not know TaskRuns", _APPLY)
    elif report.definition is None:
        yield info(
            "this account may not read the definition of TaskRuns, so its age is not known",
            "Run doctor with an administrator's kubeconfig",
        )
    elif different := differences(ours["spec"], report.definition.get("spec", {})):
        shown = ", ".join(different[:3])
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        yield warning(
            "the definition of TaskRuns in the cluster is not that of this release "
            f"({shown}{more})",
            _APPLY,
        )
    elif not report.served:
        yield error(
            "the definition of TaskRuns is there, but the API server does not serve it",
            f"Look at its conditions: kubectl describe crd {RESOURCE}",
        )


def find_missing_rights(report: ClusterReport) -> Iterator[Finding]:
    """Verbs the operator would be refused."""
    if report.unknown:
        yield info(
            f"the rights of {report.account} are not known: {report.unknown}",
            "Run doctor with an administrator's kubeconfig, or with the operator's own",
        )
    if report.missing:
        verbs = ", ".join(str(right) for right in report.missing)
        yield error(f"{report.account} may not {verbs}: the operator cannot work", _APPLY_RIGHTS)


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Paths at which the cluster's definition lacks or contradicts ours.

    What an API server adds by itself, such as `names.listKind`, is none.
    """
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        found = [
            path
            for name, value in ours.items()
            for path in differences(value, theirs.get(name), f"{where}.{name}".lstrip("."))
        ]
        if where.endswith("properties"):
            found += [f"{where}.{name}" for name in theirs if name not in ours]
        return found
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [path for i, (a, b) in pairs for path in differences(a, b, f"{where}[{i}]")]
    return [] if ours == theirs else [where]
