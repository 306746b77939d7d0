"""How a record names the Pod of a worker, and where that comes from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from singletrack.pods import Pod
from singletrack.settings import WorkerSettings

POD = Pod(namespace="shop", name="worker-1", uid="u1", node="n1")
NAMED = {"pod_name": "worker-1", "pod_namespace": "shop", "pod_uid": "u1"}


@pytest.mark.parametrize("pod", [POD, Pod(namespace="shop", name="worker-1", uid="u1")])
def test_what_is_written_can_be_read(pod: Pod) -> None:
    assert Pod.read(pod.write()) == pod


@pytest.mark.parametrize("text", ["", "worker-1", "shop/worker-1//n1", "a/b/c/d/e"])
def test_no_other_text_is_a_pod(text: str) -> None:
    assert Pod.read(text) is None


def test_a_worker_is_told_its_pod_by_the_downward_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (NAMED | {"node_name": "n1"}).items():
        monkeypatch.setenv(f"SINGLETRACK_{name.upper()}", value)
    assert WorkerSettings().pod == POD


def test_a_worker_that_is_told_nothing_is_in_no_pod() -> None:
    assert WorkerSettings().pod is None


@pytest.mark.parametrize("missing", NAMED)
def test_half_a_pod_is_refused(missing: str) -> None:
    half = {name: value for name, value in NAMED.items() if name != missing}
    with pytest.raises(ValidationError, match="SINGLETRACK_POD_UID"):
        WorkerSettings.model_validate(half)
