"""The chart takes what the commands of its how-tos give it, and makes what they then look at."""

import re

import pytest
import yaml
from support import helm as helms
from support.chart_pages import PAGES, Page
from support.helm import CHART, KUBERNETES

#: What the pages leave to the reader.
VARIABLES = {"$REGISTRY": "registry.example.com/team/"}

#: What a release leaves in the cluster that no template names.
LATER = {"persistentvolumeclaim/data-singletrack-valkey-0"}


@pytest.fixture(scope="module", params=[3, 4], ids=["helm3", "helm4"])
def helm(request):
    return helms.find(request.param)


def rendered(helm, page, folder):
    """What each command of the page would install."""
    files = Page("install").files | page.files
    for command in page.helm:
        words = ["template", f"--kube-version={KUBERNETES}"]
        for word in command.words[2:]:
            if word in files:
                (folder / word).write_text(files[word])
                word = str(folder / word)
            for name, value in VARIABLES.items():
                word = word.replace(name, value)
            words.append(str(CHART) if word == "charts/singletrack" else word)
        chosen = [word for word in words if word not in {"--wait", "--timeout", "15m"}]
        yield [each for each in yaml.safe_load_all(helm.run(*chosen)) if each]


@pytest.mark.parametrize("page", [Page(name) for name in PAGES], ids=PAGES)
def test_every_command_gives_the_chart_what_it_takes(helm, page, tmp_path):
    made = {
        f"{each['kind'].lower()}/{each['metadata']['name']}"
        for objects in rendered(helm, page, tmp_path)
        for each in objects
    }
    named = set(re.findall(r" ((?:deployment|service|statefulset)/[\w-]+)", page.text))
    assert named <= made | LATER


def test_the_pool_of_the_page_is_what_it_says(helm, tmp_path):
    [objects] = rendered(helm, Page("pools"), tmp_path)
    named = [each for each in objects if each["metadata"]["name"] == "singletrack-worker-reports"]
    [pool] = [each for each in named if each["kind"] == "Deployment"]
    assert pool["spec"]["replicas"] == 2
    template = pool["spec"]["template"]
    assert template["metadata"]["labels"]["singletrack.dev/pool"] == "reports"
    assert template["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert template["spec"]["terminationGracePeriodSeconds"] == 3600
    assert template["spec"]["containers"][0]["args"][:2] == ["--concurrency=1", "--queues=reports"]


def test_the_image_and_the_tasks_of_the_page_reach_the_workers(helm, tmp_path):
    [objects] = rendered(helm, Page("bring-your-tasks"), tmp_path)
    [worker] = [
        each for each in objects if each["metadata"]["name"] == "singletrack-worker-default"
    ]
    [container] = worker["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/team/my-tasks:7"
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["SINGLETRACK_TASKS"] == "my_tasks,singletrack_worker.demo_tasks"
    assert container["envFrom"] == [{"secretRef": {"name": "my-tasks"}}]


def test_the_volume_that_stays_is_the_one_of_the_ledger(helm, tmp_path):
    [tried, _] = rendered(helm, Page("install"), tmp_path)
    [server] = [each for each in tried if each["kind"] == "StatefulSet"]
    [claim] = server["spec"]["volumeClaimTemplates"]
    volume = f"{claim['metadata']['name']}-{server['metadata']['name']}-0"
    assert f"delete persistentvolumeclaim {volume}\n" in Page("uninstall").text
