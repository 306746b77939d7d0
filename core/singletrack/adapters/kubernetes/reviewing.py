"""What a cluster has of Singletrack, and what the operator's account may do there: for `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from singletrack.adapters.kubernetes.errors import Forbidden, KubernetesError, NotFound
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.custom_resource import GROUP, PLURAL, RESOURCE
from singletrack.scope import EVERYWHERE, Scope

_DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{RESOURCE}"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one kind of resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    """Where; everywhere if empty."""

    def __str__(self) -> str:
        what = f"{self.resource}{'/' if self.subresource else ''}{self.subresource}"
        return f"{self.verb} {what}{' in ' if self.namespace else ''}{self.namespace}"

    def attributes(self) -> dict[str, str]:
        """As an access review wants it."""
        return {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "namespace": self.namespace,
        }


#: What the operator needs wherever it works; a test compares it with k8s/operator-rbac.yaml.
SCOPED_RIGHTS = (
    *(Right(verb=verb, group=GROUP, resource=PLURAL) for verb in ("get", "list", "watch")),
    Right(verb="delete", group=GROUP, resource=PLURAL),
    Right(verb="patch", group=GROUP, resource=PLURAL, subresource="status"),
    Right(verb="create", group="events.k8s.io", resource="events"),
)
#: What it needs beside that: nodes are in no namespace.
CLUSTER_RIGHTS = (Right(verb="get", group="", resource="nodes"),)


def operator_rights(scope: Scope) -> list[Right]:
    """All that an operator of this scope needs."""
    places = scope.namespaces or ("",)
    scoped = [replace(right, namespace=place) for place in places for right in SCOPED_RIGHTS]
    return [*scoped, *CLUSTER_RIGHTS]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """An account of the cluster."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> list[str]:
        return [
            "system:serviceaccounts",
            f"system:serviceaccounts:{self.namespace}",
            "system:authenticated",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReport:
    """One look at a cluster."""

    server: str
    served: bool
    """Whether the API server knows TaskRuns."""
    definition: Mapping[str, Any] | None
    """The CustomResourceDefinition; None if there is none or it may not be read."""
    account: str
    """Whose rights were asked for."""
    missing: tuple[Right, ...]
    unknown: str = ""
    """Why the rights could not be asked for."""


class Reviewer:
    """Asks one API server; changes nothing there."""

    def __init__(self, session: KubernetesSession) -> None:
        self._session = session

    async def review(self, operator: ServiceAccount, scope: Scope = EVERYWHERE) -> ClusterReport:
        """One look.

        Raises:
            KubernetesError: the API server does not answer, or does not know us.
        """
        served = await TaskRuns(self._session).served()
        definition = await self._definition()
        reviewed = operator if await self._exists(operator) else None
        user = await self._who_am_i() if reviewed is None else operator.user
        missing: list[Right] = []
        unknown = ""
        try:
            for right in operator_rights(scope):
                if not await self._may(right, reviewed):
                    missing.append(right)
        except Forbidden as refused:
            unknown = str(refused)
        return ClusterReport(
            server=self._session.connection.server,
            served=served,
            definition=definition,
            account=user,
            missing=tuple(missing),
            unknown=unknown,
        )

    async def _definition(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._session.request("GET", _DEFINITION)
        except (NotFound, Forbidden):
            return None
        return found

    async def _exists(self, account: ServiceAccount) -> bool:
        path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}"
        try:
            await self._session.request("GET", path)
        except (NotFound, Forbidden):  # the operator itself may not look: it is asked as it is
            return False
        return True

    async def _who_am_i(self) -> str:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await self._session.request("POST", _WHO_AM_I, body=body)
        except KubernetesError:  # Kubernetes before 1.28
            return "the account of this kubeconfig"
        return str(answer["status"]["userInfo"]["username"])

    async def _may(self, right: Right, account: ServiceAccount | None) -> bool:
        kind = "SelfSubjectAccessReview" if account is None else "SubjectAccessReview"
        who = {} if account is None else {"user": account.user, "groups": account.groups}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": kind,
            "spec": {"resourceAttributes": right.attributes(), **who},
        }
        path = f"{_AUTHORIZATION}/{kind.lower()}s"
        answer = await self._session.request("POST", path, body=body)
        return bool(answer["status"].get("allowed"))
