"""Watches the TaskRuns that have not ended; the only module that knows kopf.

kopf lists, watches, reconnects and logs in again; its handler does nothing but pass the event on.
It runs in a thread with a loop of its own, because it cancels every task of its loop when it ends,
and a watch that has failed for good is started again from here, not by a new process.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import kopf
import structlog

from singletrack.adapters.kubernetes.connection import Connection
from singletrack.adapters.kubernetes.session import Observer, open_http
from singletrack.adapters.kubernetes.taskruns import collections
from singletrack.custom_resource import GROUP, PLURAL, UNFINISHED, VERSION
from singletrack.scope import Scope

log = structlog.get_logger()

Deliver = Callable[[str | None, Mapping[str, Any]], None]
"""Told of each event in the caller's loop: its type (None while listing), the object."""

_LONGEST_PAUSE_SECONDS = 10.0

#: A watch on which nothing happens and one whose connection has died in silence look the same, and
#: the server's bookmarks come once a minute. So the server ends each watch after so long, which
#: costs a request, and one that then still seems to be there is dead.
_WATCH_SECONDS = 20
_DEAD_AFTER_SECONDS = 25
_OK = 200
_LOUD = ("kopf.objects", "kopf._core.engines.activities", "kopf._core.reactor.running")
_LOUDEST = "kopf._cogs.clients.watching"


class Watch:
    """One watch over all namespaces, or one each over some, kept running until it is stopped."""

    def __init__(
        self, connection: Connection, scope: Scope, deliver: Deliver, observer: Observer
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._deliver = deliver
        self._observer = observer
        self._stop_kopf: Callable[[], None] = lambda: None
        self._stopping = False
        self._seen_before: set[str] = set()
        self._listed: set[str] = set()
        self._missed: Callable[[], None] = lambda: None

    @property
    def watching(self) -> bool:
        """Whether all TaskRuns have been listed since the watch last began."""
        return self._listed.issuperset(collections(self._scope))

    async def run(self, restarted: Callable[[], None], missed: Callable[[], None]) -> None:
        """Watch until `stop`; a failed watch starts again, after a growing pause.

        `missed` is called when it had to begin anew with a listing, which does not tell what was
        deleted since the last event.
        """
        loop = asyncio.get_running_loop()
        self._missed = lambda: _call_in(loop, missed)
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(_LOUDEST).addFilter(_first_attempt)
        pauses = iter(InfiniteJitter(1.0, _LONGEST_PAUSE_SECONDS))
        while not self._stopping:
            failure = await self._run_thread()
            self._listed.clear()
            if self._stopping:
                return
            restarted()
            pause = next(pauses)
            log.warning("watch_failed", error=repr(failure), again_in_seconds=round(pause, 1))
            await asyncio.sleep(pause)

    def _observe(self, method: str, path: str, status: int, seconds: float) -> None:
        self._observer(method, path, status, seconds)
        if method == "GET" and status == _OK and _is_first_page(path):
            collection = path.partition("?")[0]
            if collection in self._seen_before:
                self._missed()
            self._seen_before.add(collection)
            self._listed.add(collection)

    def stop(self) -> None:
        """End the watch; `run` returns when it is over."""
        self._stopping = True
        self._stop_kopf()

    async def _run_thread(self) -> BaseException | None:
        """Run kopf in a thread until it ends, and answer what it failed with."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def body() -> None:
            failure: BaseException | None = None
            try:
                asyncio.run(self._operate(loop))
            except BaseException as error:  # noqa: BLE001 - a thread has nobody else to tell
                failure = error
            loop.call_soon_threadsafe(_set, ended, failure)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(body,), name="kopf", daemon=True).start()
        return await ended

    async def _operate(self, main: asyncio.AbstractEventLoop) -> None:
        stop_flag = asyncio.Event()
        own = asyncio.get_running_loop()
        self._stop_kopf = lambda: _call_in(own, stop_flag.set)
        if self._stopping:
            return
        await kopf.operator(
            registry=self._registry(main),
            settings=_settings(),
            clusterwide=not self._scope.namespaces,
            namespaces=self._scope.namespaces,
            standalone=True,
            # Kopf's own is the user's name, which in a container is often that of nobody.
            identity="singletrack",  # type: ignore[arg-type] # its type is not public
            stop_flag=stop_flag,
        )

    def _registry(self, main: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(
                server=self._connection.server,
                default_namespace=self._connection.namespace,
                aiohttp_session=open_http(self._connection, self._observe),
            )

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def taskrun(event: Any, **_: Any) -> None:
            _call_in(main, self._deliver, event["type"], event["object"])

        return registry


class InfiniteJitter(Iterable[float]):
    """Pauses that grow to a limit, with jitter, for ever: an outage never ends the watch."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        pause = self._first
        while True:
            yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * 2, self._longest)


class NullDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing: without handlers of changes, kopf has no use for the last handled state."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        pass


class NullProgress(kopf.ProgressStorage):
    """Keeps nothing: event handlers have no progress."""

    def fetch(self, **_: Any) -> kopf.ProgressRecord | None:
        return None

    def store(self, **_: Any) -> None:
        pass

    def purge(self, **_: Any) -> None:
        pass

    def touch(self, **_: Any) -> None:
        pass

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = NullDiffBase()
    settings.persistence.progress_storage = NullProgress()
    settings.persistence.finalizer = f"{GROUP}/not-used"
    settings.queueing.idle_timeout = 1.0
    watching = settings.watching
    watching.chunk_size = 500
    watching.field_selectors[GROUP, VERSION, PLURAL] = UNFINISHED
    watching.server_timeout, watching.client_timeout = _WATCH_SECONDS, _DEAD_AFTER_SECONDS
    watching.inactivity_timeout, watching.connect_timeout = _DEAD_AFTER_SECONDS, 10
    watching.reconnect_backoff = 1.0
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = InfiniteJitter(1.0, _LONGEST_PAUSE_SECONDS)
    settings.networking.enforce_retry_after = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    return settings


def _first_attempt(record: logging.LogRecord) -> bool:
    """Of an outage, the first failure is worth a line; kopf would give each attempt one."""
    return "Request attempt #" not in record.getMessage() or "#1 " in record.getMessage()


def _is_first_page(path: str) -> bool:
    """Whether a listing begins with this request."""
    return f"/{PLURAL}?" in path and "watch=" not in path and "continue=" not in path


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        return  # that loop has ended, and whoever listened there with it


def _set(future: asyncio.Future[BaseException | None], value: BaseException | None) -> None:
    if not future.done():
        future.set_result(value)
