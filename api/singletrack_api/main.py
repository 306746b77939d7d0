"""The process of the REST door: settings, a socket, and the application until it has to stop."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from singletrack import command_line, failpoints, logs, tracing
from singletrack.errors import ConfigurationError, SingletrackError
from singletrack.settings import SHARED, Settings
from singletrack_api.app import create_app
from singletrack_api.settings import ApiSettings, Auth

log = structlog.get_logger()


def run() -> int:
    """Serve until told to stop; a wrong setting is one sentence and exit code 1."""
    command_line.parser(
        "singletrack-api",
        "The REST door of Singletrack.",
        ApiSettings,
        *SHARED,
    ).parse_args()
    try:
        failpoints.arm("api", os.environ)
        settings, api = Settings(), ApiSettings()
        logs.configure("api", settings.log.log_format, settings.log.log_level)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        tracing.start("api", os.environ)
        with listening(api.api_host, api.api_port, public=api.auth is not Auth.OFF) as listener:
            asyncio.run(_serve(create_app(settings, api), listener, api))
    except (SingletrackError, ValidationError) as error:
        sys.stderr.write(f"singletrack-api: {_sentence(error)}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        tracing.stop()
    return 0


async def _serve(app: FastAPI, listener: socket.socket, api: ApiSettings) -> None:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=round(api.drain_seconds),
    )
    async with app.router.lifespan_context(app):
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        intake = "kubernetes" if app.state.parts.kubernetes else "ledger"
        log.info("api_listening", url=f"http://{shown}:{port}", intake=intake)
        await _Server(config).serve(sockets=[listener])
    log.info("api_stopped")


class _Server(uvicorn.Server):
    """Stops on a signal without raising it again, so that the parts are closed in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def listening(host: str, port: int, *, public: bool = False) -> socket.socket:
    """A listening socket; on a loopback address, unless callers are authenticated (`public`).

    Raises:
        ConfigurationError: the address is not one, or not to be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigurationError(f"SINGLETRACK_API_HOST {host!r} is no address: {error}") from error
    if not public and not ipaddress.ip_address(address[0]).is_loopback:
        raise ConfigurationError(
            f"the API does not listen on {host!r} without authentication: everybody on the network "
            "could start and stop runs. Set SINGLETRACK_AUTH to kubernetes, or "
            "SINGLETRACK_API_HOST to 127.0.0.1 or ::1"
        )
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(_why_not(error, host, port)) from error


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program; stop that one, "
            "or set SINGLETRACK_API_PORT to a free port (0 takes any)"
        )
    return f"cannot listen on port {port} on {host}: {error.strerror}; set SINGLETRACK_API_PORT"


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        name = str(first["loc"][-1]).upper() if first["loc"] else ""
        name = name if not name or name in {"REDIS_URL"} else f"SINGLETRACK_{name}"
        return f"{name}: {first['msg']}".removeprefix(": ")
    return str(error)
