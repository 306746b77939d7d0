"""Whether the objects of a rendered chart fit Kubernetes and one another; if not, sentences.

A wrong selector, a port that no container has or a mount without its volume is legal for every
schema, and shows as a pod that is never reached or never starts. What users bring themselves
(Secrets, nodes, classes) is not asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from support.rendered import MAKERS, Objects

KINDS = {
    "v1": {"ConfigMap", "Pod", "Service", "ServiceAccount"},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition"},
    "apps/v1": {"Deployment", "StatefulSet"},
    "autoscaling/v2": {"HorizontalPodAutoscaler"},
    "batch/v1": {"Job"},
    "keda.sh/v1alpha1": {"ScaledObject"},
    "monitoring.coreos.com/v1": {"PodMonitor", "PrometheusRule", "ServiceMonitor"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
    "policy/v1": {"PodDisruptionBudget"},
    "rbac.authorization.k8s.io/v1": {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"},
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

Found = Iterator[str]


def complaints(objects: Objects) -> list[str]:
    """What does not fit, each with the kind and the name of the object."""
    found = [*_twice(objects)]
    templates = [each for each in map(_template, objects) if each]
    for each in objects:
        of_one = [*_shape(each), *_references(each, objects), *_selection(each, templates)]
        template = _template(each)
        if template:
            of_one += [*_pod(template["spec"], _claims(each)), *_own_labels(each, template)]
        found += [f"{each['kind']} {each['metadata']['name']}: {one}" for one in of_one]
    return found


def _template(each: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if each["kind"] == "Pod":
        return each
    found: Mapping[str, Any] | None = each["spec"]["template"] if each["kind"] in MAKERS else None
    return found


def _twice(objects: Objects) -> Found:
    names = Counter(
        (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace"))
        for each in objects
    )
    yield from (f"{kind} {name}: is there twice" for (kind, name, _), n in names.items() if n > 1)


def _shape(each: Mapping[str, Any]) -> Found:
    if each["kind"] not in KINDS.get(each["apiVersion"], ()):
        yield f"there is no such kind in {each['apiVersion']}"
    name = each["metadata"]["name"]
    if not NAME.fullmatch(name) and each["kind"] != "CustomResourceDefinition":
        yield "the name is none"
    template = _template(each) or each
    for labels in (each["metadata"].get("labels", {}), template["metadata"].get("labels", {})):
        for key, value in labels.items():
            if not LABEL.fullmatch(value):
                yield f"the label {key} cannot be {value}"


def _references(each: Mapping[str, Any], objects: Objects) -> Found:
    there = {(other["kind"], other["metadata"]["name"]) for other in objects}
    spec = each.get("spec", {})
    if "roleRef" in each:
        yield from _missing(there, each["roleRef"]["kind"], each["roleRef"]["name"])
        for subject in each["subjects"]:
            yield from _missing(there, "ServiceAccount", subject["name"])
    if "scaleTargetRef" in spec:
        yield from _missing(there, "Deployment", spec["scaleTargetRef"]["name"])
    if "serviceName" in spec:
        yield from _missing(there, "Service", spec["serviceName"])
    template = _template(each)
    if template and "serviceAccountName" in template["spec"]:
        yield from _missing(there, "ServiceAccount", template["spec"]["serviceAccountName"])


def _missing(there: set[tuple[str, str]], kind: str, name: str) -> Found:
    if (kind, name) not in there:
        yield f"there is no {kind} {name}"


def _selection(each: Mapping[str, Any], templates: list[Mapping[str, Any]]) -> Found:
    """Whoever selects pods selects some, and every port it speaks of is one of theirs."""
    spec = each.get("spec", {})
    if each["kind"] == "Service":
        selector, ports = spec["selector"], [port["targetPort"] for port in spec["ports"]]
    elif each["kind"] == "NetworkPolicy":
        selector = spec["podSelector"]["matchLabels"]
        ports = [port["port"] for rule in spec["ingress"] for port in rule["ports"]]
    elif each["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
        selector = spec["selector"]["matchLabels"]
        ports = [endpoint["port"] for endpoint in spec.get("podMetricsEndpoints", ())]
    else:
        return
    chosen = [one for one in templates if selector.items() <= one["metadata"]["labels"].items()]
    if not chosen:
        yield "selects no pod"
    has = {port for one in chosen for port in _ports(one["spec"])}
    yield from (f"no pod has the port {port}" for port in ports if port not in has)


def _own_labels(each: Mapping[str, Any], template: Mapping[str, Any]) -> Found:
    wanted = each["spec"].get("selector", {}).get("matchLabels", {})
    if not wanted.items() <= template["metadata"]["labels"].items():
        yield "selects other pods than it makes"


def _ports(spec: Mapping[str, Any]) -> set[str]:
    return {port["name"] for one in spec["containers"] for port in one.get("ports", ())}


def _claims(each: Mapping[str, Any]) -> set[str]:
    """The volumes that a StatefulSet gives each of its pods."""
    return {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())}


def _pod(spec: Mapping[str, Any], claims: set[str]) -> Found:
    volumes = {volume["name"] for volume in spec.get("volumes", ())} | claims
    for container in spec["containers"]:
        for mount in container.get("volumeMounts", ()):
            if mount["name"] not in volumes:
                yield f"mounts {mount['name']}, which is no volume"
        for probe in filter(None, map(container.get, PROBES)):
            port = (probe.get("httpGet") or probe["tcpSocket"])["port"]
            if port not in _ports(spec):
                yield f"is probed at {port}, which is no port"
        yield from _quantities(container.get("resources", {}))
        names = Counter(entry["name"] for entry in container.get("env", ()))
        yield from (f"{name} is in the environment twice" for name, n in names.items() if n > 1)


def _quantities(resources: Mapping[str, Mapping[str, Any]]) -> Found:
    for each in resources.values():
        for name, quantity in each.items():
            if not QUANTITY.fullmatch(str(quantity)):
                yield f"{name} cannot be {quantity}"
