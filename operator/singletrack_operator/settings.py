"""The operator's own settings, one environment variable each; the platform's are in the core."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """How this process behaves; what it shares with the others is in `singletrack.settings`."""

    model_config = SettingsConfigDict(env_prefix="SINGLETRACK_", extra="ignore", frozen=True)

    kubeconfig: str = ""
    """A kubeconfig file; empty in a pod. A user's current context is never used by accident."""
    host: str = Field(default="127.0.0.1", validation_alias="SINGLETRACK_OPERATOR_HOST")
    """Where /metrics, /livez and /readyz are served; 0.0.0.0 in a pod."""
    port: int = Field(default=8082, validation_alias="SINGLETRACK_OPERATOR_PORT")
    """0 for any free port, which the log then names."""
    workers: int = Field(default=16, ge=1, validation_alias="SINGLETRACK_OPERATOR_WORKERS")
    """How many TaskRuns are looked at side by side."""
    resync_seconds: float = Field(
        default=600.0, gt=0, validation_alias="SINGLETRACK_RESYNC_SECONDS"
    )
    """How often everything is compared again: the only way to see what the watch has missed."""
    record_lost_seconds: float = Field(default=60.0, ge=0)
    """How long the record of a started run must be missing before the run counts as lost."""
