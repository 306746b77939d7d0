"""The API's own settings; what it shares with the other parts is in `singletrack.settings`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IntakeChoice(StrEnum):
    """Where the API's requests for runs go."""

    AUTO = "auto"  # kubernetes if a kubeconfig is named or the process runs in a cluster
    LEDGER = "ledger"  # into the ledger alone
    KUBERNETES = "kubernetes"  # through a TaskRun


class Auth(StrEnum):
    """Who may use the REST door."""

    OFF = "off"  # everybody who reaches it, which is why it listens on loopback alone
    KUBERNETES = "kubernetes"  # whoever the cluster's RBAC allows: TokenReview, SubjectAccessReview


class ApiSettings(BaseSettings):
    """Where the API listens and where its runs go."""

    model_config = SettingsConfigDict(env_prefix="SINGLETRACK_", extra="ignore", frozen=True)

    api_host: str = "127.0.0.1"
    """The address to listen on; a loopback one unless requests are authenticated."""
    api_port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0 takes any free one and the log says which."""
    auth: Auth = Auth.OFF
    """See `Auth`; anything but `off` needs a cluster."""
    auth_audience: str = Field(default="singletrack", min_length=1)
    """The audience a caller's token must have been issued for:
    `kubectl create token NAME --audience singletrack`."""
    intake: IntakeChoice = IntakeChoice.AUTO
    """See `IntakeChoice`."""
    kubeconfig: str = ""
    """A kubeconfig file; the user's own current context is never used by accident."""
    in_cluster_host: str = Field(default="", validation_alias="KUBERNETES_SERVICE_HOST")
    """Set by Kubernetes in every pod."""
    body_bytes: int = Field(default=256 * 1024, ge=1024)
    """The largest request body, in bytes; parameters have a smaller limit of their own."""
    caller_requests_per_minute: int = Field(default=6000, ge=0)
    """How many requests one caller may make in any minute, of each process; 0 for any number. It
    needs `auth`: without it, nobody knows who a caller is."""
    drain_seconds: float = Field(default=5.0, ge=0)
    """How long requests in progress may go on after the signal to stop."""
