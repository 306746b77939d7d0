"""The chart as Helm renders it: what is in it, what it refuses, what follows from each value."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import CHART, Helm, HelmError
from support.rendered import Render, environment, named, of_kind, pods

ROOT = Path(__file__).resolve().parents[2]
VALKEY = {"redis": {}, "valkey": {"enabled": True, "existingSecret": "password"}}
EVERYTHING = VALKEY | {
    "networkPolicy": {"enabled": True},
    "metrics": {"podMonitor": True},
    "api": {"replicas": 2},
    "workers": {"big": {"concurrency": 8}, "idle": {"replicas": 0}},
}


def test_it_passes_helms_own_lint(helm: Helm) -> None:
    said = helm.run(
        "lint", "--strict", "--kube-version=1.36.0", str(CHART), "--set=redis.existingSecret=x"
    )
    assert "0 chart(s) failed" in said


def test_the_least_that_has_to_be_said_gives_all_parts(render: Render) -> None:
    names = {name for name, _ in pods(render())}
    assert names == {
        "rel-singletrack-api",
        "rel-singletrack-operator",
        "rel-singletrack-worker-default",
        "rel-singletrack-test",
    }


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"redis": {}}, "there is no ledger"),
        ({"redis": {}, "valkey": {"enabled": True}}, "valkey.enabled needs valkey.existingSecret"),
        ({"valkey": {"enabled": True, "existingSecret": "p"}}, "the ledger is one server"),
        ({"workers": {"Big": {}}}, "the name of a pool"),
        ({"rbac": {"namespaces": ["shop"]}}, "Set rbac.scope=namespaces"),
        (
            {
                "redis": {"keys": {"api": "a"}},
                "valkey": {"enabled": True, "existingSecret": "p"},
            },
            "are valkey.users",
        ),
    ],
)
def test_what_contradicts_itself_fails_with_a_sentence(
    render: Render, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(HelmError, match=sentence):
        render(**values)


def test_every_pod_keeps_to_the_restricted_profile(render: Render) -> None:
    roles = {"existingSecret": "ledger", "keys": {"loader": "loader-url"}}
    for name, spec in pods([*render(**EVERYTHING), *render(redis=roles)]):
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, "REDIS_PORT=tcp://… would be read as a setting"
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_a_worker_has_no_token_and_the_others_have_their_own(render: Render) -> None:
    found = dict(pods(render(**EVERYTHING)))
    assert found["rel-singletrack-worker-big"]["automountServiceAccountToken"] is False
    assert found["rel-singletrack-valkey"]["automountServiceAccountToken"] is False
    accounts = {name: spec.get("serviceAccountName") for name, spec in found.items()}
    assert accounts["rel-singletrack-api"] == "rel-singletrack-api"
    assert accounts["rel-singletrack-operator"] == "rel-singletrack-operator"


@pytest.mark.parametrize("rights", ["api", "api-cluster", "operator", "operator-cluster"])
def test_the_rights_are_those_that_are_tested(render: Render, rights: str) -> None:
    role = named(render(), "ClusterRole", f"default-rel-singletrack-{rights}")
    assert role["rules"] == rules_of(rights)


def test_helms_own_test_reaches_the_api_and_asks_where_runs_are_served(render: Render) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    rbac = {"scope": "namespaces", "namespaces": ["shop"]}
    objects = render(networkPolicy={"enabled": True, "apiFrom": peers}, rbac=rbac)
    [pod] = of_kind(objects, "Pod")
    [rule] = named(objects, "NetworkPolicy", "rel-singletrack-api")["spec"]["ingress"]
    assert rule["from"][:-1] == peers
    assert (
        rule["from"][-1]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    )
    assert environment(pod["spec"])["NAMESPACE"] == "shop"
    assert named(objects, "RoleBinding", "rel-singletrack-test")["metadata"]["namespace"] == "shop"


@pytest.mark.parametrize("component", ["api", "operator"])
def test_in_some_namespaces_the_rights_on_their_objects_are_there_and_nowhere_else(
    render: Render, component: str
) -> None:
    objects = render(rbac={"scope": "namespaces", "namespaces": ["shop", "mails"]})
    account = f"rel-singletrack-{component}"
    granted = {
        (binding["metadata"].get("namespace", ""), binding["roleRef"]["name"])
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for binding in of_kind(objects, kind)
        if [subject["name"] for subject in binding["subjects"]] == [account]
    }
    role = f"default-{account}"
    own = {("default", f"{account}-workers")} if component == "operator" else set()
    assert granted == {("shop", role), ("mails", role), ("", f"{role}-cluster")} | own
    for found in of_kind(objects, "Role"):
        if found["metadata"]["name"] == role:
            assert found["rules"] == rules_of(component)
    assert role not in {each["metadata"]["name"] for each in of_kind(objects, "ClusterRole")}


@pytest.mark.parametrize(
    ("rbac", "scope"),
    [
        ({"scope": "namespaces"}, "default"),
        ({"scope": "namespaces", "namespaces": ["shop", "mails"]}, "shop,mails"),
        ({}, None),
    ],
)
def test_every_part_knows_which_namespaces_are_served(
    render: Render, rbac: dict[str, Any], scope: str | None
) -> None:
    found = dict(pods(render(rbac=rbac)))
    for name in ("api", "operator", "worker-default"):
        shown = environment(found[f"rel-singletrack-{name}"])
        assert shown.get("SINGLETRACK_SCOPE") == scope
        assert shown.get("SINGLETRACK_NAMESPACE") == (scope and scope.partition(",")[0])


def rules_of(rights: str) -> list[dict[str, Any]]:
    """What the tests of the operator and the API use."""
    files = yaml.safe_load_all((ROOT / "k8s" / "operator-rbac.yaml").read_text())
    rules: list[dict[str, Any]] = named([*files], "ClusterRole", f"singletrack-{rights}")["rules"]
    return rules


def test_the_resource_is_the_one_that_is_generated(render: Render) -> None:
    generated = yaml.safe_load((ROOT / "k8s" / "crd.yaml").read_text())
    [crd] = of_kind(render(), "CustomResourceDefinition")
    assert crd["spec"] == generated["spec"]
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    [gone] = of_kind(render(crds={"keep": False}), "CustomResourceDefinition")
    assert "helm.sh/resource-policy" not in gone["metadata"].get("annotations", {})
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []


def test_no_name_of_the_environment_is_there_twice_and_the_nearest_value_counts(
    render: Render,
) -> None:
    values = {
        "settings": {"env": {"SINGLETRACK_LOG_FORMAT": "text", "A": "all"}},
        "api": {"env": {"A": "api"}},
    }
    found = dict(pods(render(**values)))
    for name, spec in found.items():
        names = Counter(entry["name"] for entry in spec["containers"][0].get("env", []))
        assert [each for each, count in names.items() if count > 1] == [], name
    assert environment(found["rel-singletrack-api"])["A"] == "api"
    assert environment(found["rel-singletrack-operator"])["A"] == "all"
    assert environment(found["rel-singletrack-api"])["SINGLETRACK_LOG_FORMAT"] == "text"


def test_every_part_logs_as_the_values_say(render: Render) -> None:
    def shown(**logs: str) -> set[tuple[str, str]]:
        found = dict(pods(render(settings={"logs": logs})))
        names = ("api", "operator", "worker-default")
        parts = [environment(found[f"rel-singletrack-{name}"]) for name in names]
        return {(env["SINGLETRACK_LOG_FORMAT"], env["SINGLETRACK_LOG_LEVEL"]) for env in parts}

    assert shown() == {("json", "INFO")}
    assert shown(format="text", level="DEBUG") == {("text", "DEBUG")}


def test_a_job_loads_the_functions_where_a_part_may_not(render: Render) -> None:
    objects = render(redis={"existingSecret": "ledger", "keys": {"loader": "loader-url"}})
    [job] = of_kind(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["ledger", "prepare"]
    assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_a_pool_has_what_default_has_unless_it_says_otherwise(render: Render) -> None:
    objects = render(
        workers={
            "default": {"queues": ["a", "b"], "tasks": ["mine"]},
            "big": {"concurrency": 8},
            "idle": {"replicas": 0},
        }
    )
    big = named(objects, "Deployment", "rel-singletrack-worker-big")["spec"]["template"]["spec"]
    arguments = big["containers"][0]["args"]
    assert arguments[:2] == ["--concurrency=8", "--queues=a,b"]
    assert environment(big)["SINGLETRACK_TASKS"] == "mine"
    assert named(objects, "Deployment", "rel-singletrack-worker-idle")["spec"]["replicas"] == 0


def test_the_image_of_a_pool_may_have_a_tag_of_its_own(render: Render) -> None:
    workers = {"default": {"image": "mine", "tag": "7"}, "usual": {"image": "mine", "tag": ""}}
    objects = dict(pods(render(workers=workers, image={"registry": "r/", "tag": "1.2"})))
    found = {name: spec["containers"][0]["image"] for name, spec in objects.items()}
    assert found["rel-singletrack-worker-default"] == "r/mine:7"
    assert found["rel-singletrack-worker-usual"] == "r/mine:1.2"
    assert found["rel-singletrack-api"] == "r/singletrack-api:1.2"


def test_a_pool_has_further_volumes_beside_its_own(render: Render) -> None:
    more: dict[str, Any] = {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    objects = render(workers={"default": more})
    pod = named(objects, "Deployment", "rel-singletrack-worker-default")["spec"]["template"]["spec"]
    names = ["tmp", "singletrack-secrets", "data"]
    assert [volume["name"] for volume in pod["volumes"]] == names
    mounts = pod["containers"][0]["volumeMounts"]
    assert [mount["name"] for mount in mounts] == names
    paths = [mount["mountPath"] for mount in mounts]
    assert paths == ["/tmp", "/etc/singletrack/secrets", "/data"]


@pytest.mark.parametrize(
    "release", ["r", "singletrack", "a-release-with-a-name-of-fifty-three-letters-exactly-"[:53]]
)
def test_no_name_is_too_long(helm: Helm, release: str) -> None:
    release = release.rstrip("-")
    for each in helm.render(release, **EVERYTHING):
        assert len(each["metadata"]["name"]) <= 63 or each["kind"] == "CustomResourceDefinition"


def test_rendering_twice_gives_the_same(render: Render) -> None:
    assert render(**EVERYTHING) == render(**EVERYTHING)


def test_the_own_valkey_keeps_what_it_acknowledges(render: Render) -> None:
    server = dict(pods(render(**VALKEY)))["rel-singletrack-valkey"]["containers"][0]
    arguments = dict(zip(server["args"][::2], server["args"][1::2], strict=True))
    assert arguments["--appendonly"] == "yes"
    assert arguments["--appendfsync"] == "always"
    assert arguments["--maxmemory-policy"] == "noeviction"
    assert arguments["--maxmemory"] == "192mb"


def test_another_version_of_the_chart_does_not_restart_the_own_valkey(render: Render) -> None:
    objects = render(**VALKEY, commonLabels={"team": "shop"})
    template = named(objects, "StatefulSet", "rel-singletrack-valkey")["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert labels["team"] == "shop"
    assert not {"app.kubernetes.io/version", "helm.sh/chart"} & labels.keys()


def test_further_objects_are_templates(render: Render) -> None:
    more = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}}
    assert named(render(extraObjects=[more]), "ConfigMap", "rel-x")
