"""Every setting of the platform, in small groups, each read from one environment variable.

Read once by a component's entry point and passed down; importing this module reads nothing. What
is secret need not be in the environment, where every dump of it shows it: `SINGLETRACK_SECRETS`
names a folder, and a file in it that has the name of a variable stands for that variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from singletrack.pods import Pod
from singletrack.scope import DNS_LABEL, Scope


class Durability(StrEnum):
    """What `begin` waits for before user code runs."""

    STRICT = "strict"  # the write is on disk (WAITAOF) or on a replica (WAIT)
    RELAXED = "relaxed"  # the server's own persistence; can start a run twice after a failover


#: The variable that names the folder with the secrets.
SECRETS = "SINGLETRACK_SECRETS"


class _Group(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SINGLETRACK_", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from; the environment goes before the files of secrets."""
        folder = os.environ.get(SECRETS)
        if not folder:
            return init_settings, env_settings
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)


class LedgerSettings(_Group):
    """Where the ledger is and how patient its clients are."""

    redis_password: SecretStr = Field(default=SecretStr(""), validation_alias="REDIS_PASSWORD")
    """The password of the ledger's server, for a `REDIS_URL` that holds none."""
    redis_url: str = Field(
        default="redis://localhost:6379", validation_alias="REDIS_URL", validate_default=True
    )
    """The ledger's server, `redis://[:password@]host:port/db` or `rediss://…`."""
    key_prefix: str = "st"
    """The hash tag of every key: `st` makes `{st}:run:…`. Two installations may share a server."""
    ledger_timeout_seconds: float = 2.0
    """How long one call may take before it counts as unavailable."""
    durability: Durability = Durability.STRICT
    """`strict` needs Redis 7.2 or Valkey 8 with the append-only file on; see `Durability`."""
    durable_wait_ms: int = 2000
    """How long `begin` waits for the disk or the replica, in milliseconds."""

    @field_validator("redis_url")
    @classmethod
    def _with_its_password(cls, url: str, others: ValidationInfo) -> str:
        password = others.data.get("redis_password", SecretStr("")).get_secret_value()
        parts = urlsplit(url)
        if not password or parts.password or not parts.netloc:
            return url
        user, _, host = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


class ScopeSettings(_Group):
    """For whom an installation works."""

    scope: Annotated[tuple[str, ...], NoDecode] = ()
    """The namespaces whose TaskRuns are served, with commas between; empty for all of the cluster.
    The operator and the API need no right on TaskRuns anywhere else."""

    @field_validator("scope", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        for name in names:
            if not re.fullmatch(DNS_LABEL, name):
                raise ValueError(f"SINGLETRACK_SCOPE: {name!r} is no name of a namespace")
        return names

    @property
    def namespaces(self) -> Scope:
        """The same, to be asked."""
        return Scope(self.scope)


class BrokerSettings(_Group):
    """Which broker carries the messages."""

    broker_url: str = ""
    """Celery's broker URL; empty means the ledger's own server."""
    default_queue: str = "celery"
    """The broker queue of runs that name none; Celery's own default name."""


def _of_lease(share: float) -> Callable[[dict[str, Any]], float]:
    return lambda settings: float(settings["lease_seconds"]) * share


class LeaseSettings(_Group):
    """The timing of leases; what is not said is a share of the lease. The ratios are checked, see
    docs on guarantees.
    """

    lease_seconds: float = Field(default=30.0, gt=0)
    """L: a run whose lease was not renewed for this long may be declared lost."""
    renew_seconds: float = Field(default_factory=_of_lease(1 / 6))
    """How often an agent renews, 5 of 30; at most a quarter of the lease."""
    fence_seconds: float = Field(default_factory=_of_lease(8 / 30))
    """An agent kills its processes this long before the lease could end, 8 of 30."""
    margin_seconds: float = Field(default_factory=_of_lease(1 / 6))
    """What the sweeper waits beyond the lease, 5 of 30."""
    blessing_grace_seconds: float = Field(default_factory=_of_lease(3 / 2))
    """G: how long a restarted server serves no claims, unless it provably lost nothing."""

    @model_validator(mode="after")
    def _check_ratios(self) -> Self:
        if self.renew_seconds * 4 > self.lease_seconds:
            raise ValueError("SINGLETRACK_RENEW_SECONDS must be at most a quarter of the lease")
        if self.fence_seconds + 2 * self.renew_seconds >= self.lease_seconds:
            raise ValueError("SINGLETRACK_FENCE_SECONDS leaves no time for two renewals in a lease")
        if self.blessing_grace_seconds <= self.lease_seconds:
            raise ValueError("SINGLETRACK_BLESSING_GRACE_SECONDS must be longer than the lease")
        return self


class RunSettings(_Group):
    """What a run gets that says nothing itself."""

    namespace: str = "default"
    """The namespace of runs that have none of their own."""
    start_task: str = "dummy_task"
    """The task `GET /start` runs."""
    start_deadline_seconds: float = 300.0
    """How long a run that owns its lock may wait for a worker."""
    priority_point_seconds: float = Field(default=60.0, ge=0, le=86400)
    """How many seconds of waiting one point of priority is worth, so that nobody waits for ever:
    with 60, a run of priority 5 goes before those that came up to five minutes earlier with 0."""
    ttl_seconds_after_finished: float = 86400.0
    """How long records and TaskRuns are kept after the end."""
    cancel_grace_seconds: float = 30.0
    """Between SIGTERM and SIGKILL when a request does not say."""
    result_bytes: int = 1024 * 1024
    """The largest result a run may return, as JSON."""


class WorkerSettings(_Group):
    """What only the worker needs."""

    pod_name: str = Field(default="", pattern=r"^[^/]*$")
    """The Pod the worker is in, by the downward API (`metadata.name`): the record of a run whose
    `on_lost` is Hold names it, so that the operator can tell when the Pod has ended."""
    pod_namespace: str = Field(default="", pattern=r"^[^/]*$")
    """That Pod's `metadata.namespace`."""
    pod_uid: str = Field(default="", pattern=r"^[^/]*$")
    """That Pod's `metadata.uid`, which a later Pod of the same name does not have."""
    node_name: str = Field(default="", pattern=r"^[^/]*$")
    """That Pod's `spec.nodeName`: the operator can tell when the node is out of service."""
    worker_metrics_port: int = 0
    """Where the worker's main process answers `/metrics`; 0 for nowhere."""
    worker_metrics_host: str = "127.0.0.1"
    """The address it answers on; 0.0.0.0 in a pod, where Prometheus and the kubelet ask."""
    untested_celery: str = ""
    """A minor of Celery, such as `5.8`, to start on although this release does not know it: at
    your own risk, because the gate hooks into Celery's insides."""

    @model_validator(mode="after")
    def _check_pod(self) -> Self:
        named = (self.pod_name, self.pod_namespace, self.pod_uid)
        if any(named) and not all(named):
            raise ValueError(
                "SINGLETRACK_POD_NAME, SINGLETRACK_POD_NAMESPACE and SINGLETRACK_POD_UID name one "
                "Pod together: set all of them, or none"
            )
        return self

    @property
    def pod(self) -> Pod | None:
        """The Pod this worker is in, if it was told."""
        if not self.pod_uid:
            return None
        return Pod(
            namespace=self.pod_namespace,
            name=self.pod_name,
            uid=self.pod_uid,
            node=self.node_name,
        )


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"  # for people: colours in a terminal
    JSON = "json"  # for machines: one object a line


class LogLevel(StrEnum):
    """How important a line of the log has to be."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogSettings(_Group):
    """How a part logs; docs/reference/logs.md lists what. A worker inside an app of the user's own
    leaves its logging to that app, and only its lease agent goes by these.
    """

    log_format: LogFormat = LogFormat.TEXT
    """`json` for one object a line, for machines; see `LogFormat`."""
    log_level: LogLevel = LogLevel.INFO
    """The least important level that is logged: INFO tells of each run once or twice a part."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


#: The groups that every part reads; the rest is a worker's or one part's own.
SHARED = (LedgerSettings, BrokerSettings, LeaseSettings, RunSettings, ScopeSettings, LogSettings)


class Settings(_Group):
    """All groups together: what an entry point builds once and passes down."""

    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    lease: LeaseSettings = Field(default_factory=LeaseSettings)
    run: RunSettings = Field(default_factory=RunSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    served: ScopeSettings = Field(default_factory=ScopeSettings)
    log: LogSettings = Field(default_factory=LogSettings)
