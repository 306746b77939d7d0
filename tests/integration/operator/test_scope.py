"""An operator that serves some namespaces needs no right in any other, and leaves them alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.operator.cluster import Cluster, HandWorker, OperatorProcess, hand_worker, taskrun
from support.redis_servers import VALKEY, SharedServers
from support.waiting import InVain

from singletrack.lifecycle import State

SHOP, MAILS, OTHER = "shop", "mails", "other"


class Places:
    """Three namespaces, in two of which the operator's account may work."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tag = secrets.token_hex(4)
        self.account = f"scoped-{self._tag}"
        cluster.do("create", "serviceaccount", self.account, "--namespace=singletrack")
        for place in (SHOP, MAILS, OTHER):
            cluster.do("create", "namespace", self.name(place))
        for place in (SHOP, MAILS):
            cluster.do(
                *("create", "rolebinding", self.account, f"--namespace={self.name(place)}"),
                "--clusterrole=singletrack-operator",
                f"--serviceaccount=singletrack:{self.account}",
            )

    def name(self, place: str) -> str:
        return f"{place}-{self._tag}"

    def scope(self, *places: str) -> str:
        return ",".join(map(self.name, places))

    def create(self, place: str, **spec: Any) -> dict[str, Any]:
        self._cluster.namespace = self.name(place)
        return self._cluster.create(taskrun("a", **spec))

    def until_phase(self, place: str, phase: str) -> None:
        self._cluster.namespace = self.name(place)
        self._cluster.until_phase("a", phase)

    def reason(self, place: str) -> str:
        """Why its run does not go on."""
        self._cluster.namespace = self.name(place)
        found = self._cluster.get("a")
        assert found is not None
        return self._cluster.condition(found, "Reconciling")["reason"]

    def clear(self) -> None:
        """The operator of the other tests serves all namespaces: it must find nothing here."""
        for place in (SHOP, MAILS, OTHER):
            self._cluster.do("delete", "strun", "--all", f"--namespace={self.name(place)}")


@pytest.fixture
def places(cluster: Cluster, one_operator: OperatorProcess) -> Iterator[Places]:
    one_operator.stop()
    places = Places(cluster)
    yield places
    places.clear()


@pytest.fixture
def scoped(
    cluster: Cluster, places: Places, shared_servers: SharedServers, tmp_path: Path
) -> Iterator[OperatorProcess]:
    operator = OperatorProcess(cluster, shared_servers.get(VALKEY), tmp_path, places.account)
    yield operator
    operator.stop()


@pytest.fixture
def hand(scoped: OperatorProcess, shared_servers: SharedServers) -> Iterator[HandWorker]:
    with hand_worker(shared_servers.get(VALKEY), scoped.key_prefix) as hand:
        yield hand


def test_runs_of_the_namespaces_that_are_served_run_and_others_are_not_looked_at(
    places: Places, scoped: OperatorProcess, hand: HandWorker
) -> None:
    already = places.create(SHOP)
    scoped.start(SINGLETRACK_SCOPE=places.scope(SHOP, MAILS), SINGLETRACK_RESYNC_SECONDS="1")
    alien, later = places.create(OTHER), places.create(MAILS)
    for place, created in ((SHOP, already), (MAILS, later)):
        hand.until_state(created, State.READY)
        hand.start(created)
        hand.finish(created)
        places.until_phase(place, "Succeeded")
    assert (hand.run(alien), places.reason(OTHER)) == (None, "NotSeenYet")
    assert scoped.metric("singletrack_kube_request_duration_seconds_count", code="403") == 0


def test_a_run_of_a_namespace_that_is_no_longer_served_is_left_alone(
    places: Places, scoped: OperatorProcess, hand: HandWorker
) -> None:
    scoped.start(SINGLETRACK_SCOPE=places.scope(SHOP, MAILS))
    going_on = places.create(MAILS)
    hand.until_state(going_on, State.READY)
    hand.start(going_on)
    scoped.stop()

    scoped.start(SINGLETRACK_SCOPE=places.scope(SHOP), SINGLETRACK_RESYNC_SECONDS="1")
    served = places.create(SHOP)
    hand.until_state(served, State.READY)
    hand.start(served)
    hand.finish(served)
    places.until_phase(SHOP, "Succeeded")
    record = hand.run(going_on)
    assert record is not None
    assert (record.state, record.cancellation) == (State.RUNNING, None)
    assert scoped.metric("singletrack_kube_request_duration_seconds_count", code="403") == 0


def test_a_name_that_no_namespace_can_have_ends_the_operator_with_a_sentence(
    scoped: OperatorProcess,
) -> None:
    with pytest.raises(InVain):
        scoped.start(SINGLETRACK_SCOPE="Shop")
    assert "SINGLETRACK_SCOPE: 'Shop' is no name of a namespace" in scoped.log
