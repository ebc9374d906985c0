"""The hub's HTTP API: events in, incidents, cameras and keyframes out.

A 2xx to a delivery means that its events are on disk, new or not. A 4xx means that repeating it is
no use and says why in one sentence; a 5xx means try again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from event_hub import queries
from event_hub.access import BATCH, SINGLE
from event_hub.answers import (
    CameraList,
    EventPage,
    EvidenceHold,
    Health,
    IncidentRecord,
    MeasurementPage,
    Receipt,
    described,
)
from event_hub.binary_mode import BINARY, MARK, structured
from event_hub.camera_changes import add_camera_changes
from event_hub.camera_connections import add_camera_connections
from event_hub.city_control import CityControl
from event_hub.envelope import (
    BATCH_MAX_BYTES,
    BATCH_MAX_EVENTS,
    EVENT_MAX_BYTES,
    Received,
    parse_event,
    split_batch,
)
from event_hub.errors import MalformedEventError, SignatureError, StoreUnavailableError
from event_hub.evidence import EvidenceKeeper
from event_hub.feed import add_feed
from event_hub.housekeeping import Housekeeper
from event_hub.incidents import add_incident_lists
from event_hub.keyframe_links import KeyframeLinks
from event_hub.keyframe_routes import add_keyframes
from event_hub.keyframes import KeyframeSource
from event_hub.live_frames import add_live_frames
from event_hub.lookup import one_incident
from event_hub.measurements import MeasurementFilter, measurement_page
from event_hub.metrics import HubMetrics, add_metrics
from event_hub.model_changes import add_model_changes
from event_hub.people.noting import noted
from event_hub.people.visible import Sees
from event_hub.restricted import add_restricted
from event_hub.settings import HubRetention, HubSettings
from event_hub.statistics import add_statistics
from event_hub.store import EventStore
from event_hub.subscriptions.kept import subscription_problems
from event_hub.tables import to_us
from pipelines.access import AuditTrail
from pipelines.event_schemas import SCHEMAS, schema_file, schema_media_type
from pipelines.http_api import RequestProblem

BODY_LIMITS: Final = {
    SINGLE: EVENT_MAX_BYTES,
    BATCH: BATCH_MAX_BYTES,
    BINARY: EVENT_MAX_BYTES,
}
ANY_EVENT: Final = "CloudEvent"
"""The schema of any event in the description, see `pipelines.event_schemas`."""
PAGE_MAX: Final = 200
FAILING_AFTER: Final = timedelta(minutes=10)
"""A receiver that is away for longer is a problem of the hub."""

NO_PAGE: Final = "parameter 'before' is not a page's next_before"

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


def api_router(
    store: EventStore,
    keyframes: KeyframeSource,
    evidence: EvidenceKeeper,
    housekeeper: Housekeeper,
    settings: HubSettings,
    metrics: HubMetrics,
    trail: AuditTrail,
    links: KeyframeLinks,
) -> APIRouter:
    """Every route; deliveries must be signed with a secret, where the settings have any."""
    router = APIRouter()
    _add_delivery(router, store, settings.webhook_secrets, metrics)
    add_incident_lists(router, store.database)
    _add_incidents(router, store)
    _add_holds(router, store, evidence, trail)
    _add_readers(router, store)
    add_feed(router, store)
    add_statistics(router, store)
    _add_health(router, store, housekeeper, settings.retention)
    add_metrics(router, metrics)
    add_keyframes(router, store, keyframes, links)
    add_restricted(router, store, keyframes, trail)
    control = CityControl(settings.control) if settings.control is not None else None
    add_live_frames(router, control)
    add_camera_changes(router, control, trail)
    add_camera_connections(router, control, trail)
    add_model_changes(router, control, trail)
    _add_schemas(router)
    return router


def _add_delivery(
    router: APIRouter, store: EventStore, secrets: Sequence[SecretStr], metrics: HubMetrics
) -> None:
    schema = {"$ref": f"#/components/schemas/{ANY_EVENT}"}
    content = {
        SINGLE: {"schema": schema},
        BATCH: {"schema": {"type": "array", "items": schema, "maxItems": BATCH_MAX_EVENTS}},
        BINARY: {"schema": {"type": "object", "description": "the data; attributes in headers"}},
    }

    @router.post(
        "/api/events",
        **described("events", "Store one event or a batch", 400, 401, 408, 413, 415, 422, 503),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def post_events(request: Request) -> Receipt:
        """Takes CloudEvents 1.0: structured, in batches, or binary with `ce-` headers.

        Storing an event again changes nothing. A hub that wants signatures takes no binary mode,
        as they do not cover headers.

        Heartbeats come the same way and are not stored: a camera without any is `silent`.
        """
        media_type = _media_type(request, signed=bool(secrets))
        body = await _body(request, BODY_LIMITS[media_type])
        if secrets:
            verify_signature(secrets, request.headers, body)
        if media_type == BINARY:
            body = structured(request.headers.items(), body)
        received, receipt = await run_in_threadpool(_store_events, store, media_type, body)
        metrics.count_events(receipt, received)
        return receipt


def verify_signature(secrets: Sequence[SecretStr], headers: Mapping[str, str], body: bytes) -> None:
    """Accepts a delivery whose Standard Webhooks signature is right under one of the secrets.

    Its timestamp must be within five minutes, so that a recorded one ages out.

    Raises:
        SignatureError: A header is missing, the timestamp is off, or no signature matches.
    """
    reason = ""
    for secret in secrets:
        try:
            Webhook(secret.get_secret_value()).verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            reason = str(error)
        except ValueError:
            # The library does not expect headers that are no signatures, or a body that is no text.
            reason = "the signature cannot be read"
        else:
            return
    raise SignatureError(
        f"the delivery is not accepted: {reason}; check the secret and the clocks of both ends"
    )


def _store_events(store: EventStore, media_type: str, body: bytes) -> tuple[int, Receipt]:
    """How many events were received, and what became of them."""
    received = _parse_batch(body) if media_type == BATCH else [parse_event(body)]
    return len(received), store.add(received)


def _parse_batch(body: bytes) -> list[Received]:
    received = []
    for index, piece in enumerate(split_batch(body)):
        try:
            received.append(parse_event(piece))
        except MalformedEventError as error:
            place = f"{index}.{error.attribute}" if error.attribute else str(index)
            raise MalformedEventError(place, error.problem) from None
    return received


def _media_type(request: Request, *, signed: bool) -> str:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type not in BODY_LIMITS or charset not in {"", "utf-8"}:
        raise HTTPException(415, f"send {SINGLE} or {BATCH} in UTF-8")
    if media_type == BINARY and (signed or MARK not in request.headers):
        why = "a signature does not cover headers" if signed else f"there is no header {MARK}"
        raise HTTPException(415, f"this is no event in binary mode: {why}; send {SINGLE}")
    return media_type


async def _body(request: Request, limit_bytes: int) -> bytes:
    """The body of a delivery; the gate bounds its time, and its size for every media type."""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit_bytes:
            raise HTTPException(413, f"the body has more than {limit_bytes} bytes")
    return bytes(chunks)


def _add_incidents(router: APIRouter, store: EventStore) -> None:
    @router.get(
        "/api/incidents/{incident_id}",
        **described("incidents", "One incident and its history", 404, 409, 503),
    )
    def get_incident(incident_id: str, sees: Sees, city: str | None = None) -> IncidentRecord:
        """The newest state and every transition that has arrived and is kept.

        `city` is needed where two cities have an incident of this id.
        """
        with store.database.read() as connection:
            return queries.incident_record(
                connection, one_incident(connection, incident_id, city, sees)
            )


def _add_holds(
    router: APIRouter, store: EventStore, evidence: EvidenceKeeper, trail: AuditTrail
) -> None:
    path = "/api/incidents/{incident_id}/hold"

    @router.post(path, **described("incidents", "Hold an incident as evidence", 404, 409, 503))
    def hold_incident(
        incident_id: str, sees: Sees, request: Request, city: str | None = None
    ) -> EvidenceHold:
        """Its events are kept until it is released, and the hub copies its keyframes."""
        with store.database.read() as connection:
            incident = one_incident(connection, incident_id, city, sees)
        noted(trail, request, incident_id, "incident.held")
        return evidence.hold(incident)

    @router.delete(path, **described("incidents", "Release an incident", 404, 409, 503))
    def release_incident(
        incident_id: str, sees: Sees, request: Request, city: str | None = None
    ) -> EvidenceHold:
        """Retention applies to it again; the copies of its keyframes go."""
        with store.database.read() as connection:
            incident = one_incident(connection, incident_id, city, sees)
        noted(trail, request, incident_id, "incident.released")
        return evidence.release(incident)


def _add_readers(router: APIRouter, store: EventStore) -> None:
    @router.get("/api/events", **described("events", "Read events in order of arrival", 422, 503))
    def get_events(
        wanted: Annotated[queries.EventFilter, Depends()],
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Limit = 50,
    ) -> EventPage:
        """For followers: pass `next_after` as `after` and nothing is missed or seen twice."""
        with store.database.read() as connection:
            return queries.event_page(connection, after, limit, wanted)

    @router.get("/api/measurements", **described("measurements", "List measurements", 422, 503))
    def get_measurements(
        wanted: Annotated[MeasurementFilter, Depends()],
        limit: Limit = 50,
        before: str | None = None,
    ) -> MeasurementPage:
        """Numbers over a period, such as coverage, the newest first.

        `since` and `until` bound the begin of the period. `before` takes a page's `next_before`.
        """
        with store.database.read() as connection:
            try:
                return measurement_page(connection, wanted, limit, before)
            except ValueError:
                raise RequestProblem(422, NO_PAGE, parameter="before") from None

    @router.get("/api/cameras", **described("cameras", "Cameras and their state", 503))
    def get_cameras(wanted: Annotated[queries.CameraFilter, Depends()]) -> CameraList:
        """Every camera the hub has heard of; `silent` where nothing was heard of it lately."""
        with store.database.read() as connection:
            return queries.camera_list(connection, store.heard, wanted)


def _add_health(
    router: APIRouter, store: EventStore, housekeeper: Housekeeper, limits: HubRetention
) -> None:
    @router.get("/healthz", response_class=Response, **described("health", "Whether the hub works"))
    def get_healthz() -> Response:
        """For probes, without a token: 200 or 503, and no details."""
        try:
            with store.database.read() as connection:
                queries.health(connection, limits)
        except StoreUnavailableError:
            return Response(status_code=503)
        return Response()

    @router.get("/health", **described("health", "What the hub holds", 503))
    def get_health() -> Health:
        """Reads the database, 503 when that fails; `degraded` names every problem."""
        return health_of(store, housekeeper, limits)


def health_of(store: EventStore, housekeeper: Housekeeper, limits: HubRetention) -> Health:
    """What the hub holds, and every problem with it.

    Raises:
        StoreUnavailableError: The database cannot be read.
    """
    with store.database.read() as connection:
        health = queries.health(connection, limits)
        failing = subscription_problems(connection, to_us(datetime.now(UTC) - FAILING_AFTER))
    problems = housekeeper.problems(health.bytes) + failing
    status = "degraded" if problems else "ok"
    return health.model_copy(update={"status": status, "problems": problems})


def _add_schemas(router: APIRouter) -> None:
    how = described("schemas", "The JSON Schema that an event's `dataschema` names", 404)

    @router.get("/schemas/{name}", response_class=Response, **how)
    def get_schema(name: str) -> Response:
        """Without a token: `/schemas/incident-1.json` for `urn:cityeye:schema:incident:1`.

        `/schemas/asyncapi.json` describes all events.
        """
        schema = schema_file(name)
        if schema is None:
            raise HTTPException(404, f"there is no such schema; there are {', '.join(SCHEMAS)}")
        return Response(schema, media_type=schema_media_type(name))
