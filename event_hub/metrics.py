"""The hub's metrics in the exposition format of Prometheus.

Labels come from closed lists: routes of the hub, methods, classes of statuses, states, severities.
What a caller writes never makes a series.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    Summary,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_hub import queries
from event_hub.answers import Receipt, described
from event_hub.store import EventStore
from event_hub.subscriptions.kept import subscription_backlog
from pipelines.event_incident import LEVELS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STATES: Final = ("online", "degraded", "offline", "unauthorized", "silent", "stopped")
"""States of cameras that are named; others are `other`, as their list is open."""
RESULTS: Final = ("stored", "duplicate", "heartbeat")
OTHER: Final = "other"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)


class HubMetrics:
    """Counts what goes through one hub, and asks its store for the rest."""

    def __init__(self, store: EventStore) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._events = Counter(
            "cityeye_hub_events",
            "Events received, by what became of them",
            ("result",),
            registry=self._registry,
        )
        # From the start: an alert on what does not come needs a series that says 0.
        for result in RESULTS:
            self._events.labels(result)
        self._requests = Counter(
            "cityeye_hub_requests",
            "Requests that were let in, by route and class of status",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "cityeye_hub_request_seconds",
            "Time until the answer of a request begins",
            buckets=SECONDS,
            registry=self._registry,
        )
        # Buckets for every route would be more series than all others together.
        self._route_seconds = Summary(
            "cityeye_hub_route_seconds",
            "Time until the answer of a request begins, by route",
            ("method", "route"),
            registry=self._registry,
        )
        self._registry.register(_Stored(store))

    def count_events(self, receipt: Receipt, received: int) -> None:
        """Counts a delivery of so many events; what is not stored and was not there is a beat."""
        beats = received - receipt.stored - receipt.duplicates
        for result, count in zip(RESULTS, (receipt.stored, receipt.duplicates, beats), strict=True):
            self._events.labels(result).inc(count)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        method = method if method in METHODS else OTHER
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        self._seconds.observe(seconds)
        self._route_seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """The exposition.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        return generate_latest(self._registry)


class _Stored:
    """What the store holds, read when it is asked for."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would else read the store when it is made."""
        return ()

    def collect(self) -> Iterable[Metric]:
        with self._store.database.read() as connection:
            held = queries.usage(connection)
            severities = queries.open_by_severity(connection)
            cameras = queries.camera_list(connection, self._store.heard).cameras
            last = queries.last_received(connection)
            backlog = subscription_backlog(connection)
        yield GaugeMetricFamily("cityeye_hub_stored_events", "Events kept", held.events)
        yield GaugeMetricFamily("cityeye_hub_stored_bytes", "Bytes of their bodies", held.bytes)
        yield _by(
            "cityeye_hub_open_incidents",
            "Incidents that go on",
            "severity",
            {name: severities.get(name, 0) for name in LEVELS},
        )
        states = Tally(one.state if one.state in STATES else OTHER for one in cameras)
        yield _by(
            "cityeye_hub_cameras",
            "Cameras by state; nobody watches those that are silent",
            "state",
            {name: states[name] for name in (*STATES, OTHER)},
        )
        yield GaugeMetricFamily(
            "cityeye_hub_subscription_pending_events",
            "Events that wait for a receiver of a subscription",
            backlog.pending,
        )
        yield GaugeMetricFamily(
            "cityeye_hub_subscription_dead_letters",
            "Events that a receiver refused for good",
            backlog.dead,
        )
        yield GaugeMetricFamily(
            "cityeye_hub_subscription_oldest_pending_seconds",
            "Age of the oldest event that waits, 0 without",
            0.0 if backlog.oldest_s is None else max(0.0, time.time() - backlog.oldest_s),
        )
        if last is not None:
            yield GaugeMetricFamily(
                "cityeye_hub_last_event_timestamp_seconds",
                "When the newest event arrived, seconds since 1970 UTC",
                last.timestamp(),
            )


def _by(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def add_metrics(router: APIRouter, metrics: HubMetrics) -> None:
    """Adds the route."""
    how = described("health", "Metrics of the hub for Prometheus", 503)
    how["responses"][200] = {"content": {"text/plain": {}}}

    @router.get("/metrics", response_class=Response, **how)
    def get_metrics() -> Response:
        """Exposition format, text."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


class RequestTimer:
    """ASGI middleware that counts requests by the route that took them."""

    def __init__(self, app: ASGIApp, metrics: HubMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # An answer may go on for hours; what its caller waits for is the beginning.
                took_s = time.perf_counter() - began_s
                route: Any = scope.get("route")
                path = route.path if isinstance(route, APIRoute) else OTHER
                self._metrics.count_request(scope["method"], path, message["status"], took_s)
            await send(message)

        await self._app(scope, receive, counted)
