"""Who may use which route of the hub, and what its answers tell browsers to refuse.

What is not in the table is refused, see `pipelines.access`.
"""

from __future__ import annotations

from typing import Any, Final

from event_hub.envelope import BATCH_MAX_BYTES
from pipelines.access import RouteRule, RouteTable, Scope

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = frozenset({"application/json"})
EVENTS: Final = JSON | {SINGLE, BATCH}
"""JSON is the data of an event in binary mode."""
REASON_BYTES: Final = 8 * 1024
CASE_BYTES: Final = 32 * 1024
PERSON_BYTES: Final = 8 * 1024
LOGIN_BYTES: Final = 4 * 1024
"""A password of 128 Chinese characters is nine times as long in a form."""
GROUP_BYTES: Final = 512 * 1024
DELETION_BYTES: Final = 1024 * 1024
CHANGE: Final[dict[str, Any]] = {
    "scope": Scope.ENGINEER,
    "media_types": JSON,
    "limit_bytes": 1024 * 1024,
}
"""What changes the configuration of the city."""

ORDER: Final[dict[str, Any]] = {**CHANGE, "limit_bytes": 8 * 1024}
"""What decides which versions of a model serve."""

TABLES: Final = frozenset(
    {"text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
)
MAX_TABLE_BYTES: Final = 4 * 1024 * 1024
TABLE_S: Final = 30.0
COOKIE: Final = "cityeye_session"

ROUTES: Final = RouteTable(
    (
        RouteRule("GET HEAD", "/healthz", None),
        RouteRule("GET", "/schemas/{name}", None),
        RouteRule("GET", "/enter", None),
        RouteRule("POST", "/login", None, frozenset({FORM}), LOGIN_BYTES),
        RouteRule("POST", "/logout", None),
        RouteRule("GET", "/login/oidc", None),
        RouteRule("GET", "/login/oidc/callback", None),
        RouteRule("POST", "/api/events", Scope.SENDER, EVENTS, BATCH_MAX_BYTES),
        RouteRule("GET", "/api/events", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/feed", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incidents", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incidents.csv", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incidents.geojson", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incident-counts", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incidents/{incident}", Scope.VIEWER, by_group=True),
        RouteRule("POST DELETE", "/api/incidents/{incident}/hold", Scope.OPERATOR, by_group=True),
        *(
            RouteRule(
                "POST",
                f"/api/incidents/{{incident}}/{verb}",
                Scope.OPERATOR,
                JSON,
                CASE_BYTES,
                by_group=True,
            )
            for verb in (
                "confirm",
                "false-alarm",
                "dispatch",
                "resolve",
                "reopen",
                "note",
                "join",
                "split",
            )
        ),
        RouteRule("GET", "/api/incidents/{incident}/case", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/incidents/{incident}/recurrence", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cases", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cases/{case}", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/statistics/timeline", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/statistics/incidents", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/statistics/places", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/statistics/measurements", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/precision", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/report", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/report.html", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/disputed.zip", Scope.ENGINEER, by_group=True),
        RouteRule("GET", "/api/subscriptions", Scope.ADMIN),
        RouteRule("POST", "/api/subscriptions", Scope.ADMIN, JSON, CASE_BYTES),
        RouteRule("GET DELETE", "/api/subscriptions/{subscription}", Scope.ADMIN),
        RouteRule("GET", "/api/subscriptions/{subscription}/dead", Scope.ADMIN),
        RouteRule("POST", "/api/subscriptions/{subscription}/test", Scope.ADMIN),
        *(
            RouteRule("POST", f"/api/subscriptions/{{subscription}}/{deed}", Scope.ADMIN, JSON)
            for deed in ("active", "replay")
        ),
        RouteRule("GET", "/api/measurements", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cameras", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/keyframes/{key:path}", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/keyframe-links", Scope.VIEWER, by_group=True),
        # The address itself is signed; see `event_hub.keyframe_links`.
        RouteRule("GET", "/api/links/{until}/{signature}/{key:path}", None),
        RouteRule(
            "POST", "/api/evidence/{key:path}", Scope.OPERATOR, JSON, REASON_BYTES, by_group=True
        ),
        RouteRule("GET", "/api/cameras/{city}/{camera}/frame.jpg", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cameras/{city}/{camera}/frame", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cameras/{city}/{camera}/live", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/api/cameras/{city}/{camera}/places", Scope.VIEWER, by_group=True),
        RouteRule("PUT", "/api/cameras/{city}/{camera}/places", **CHANGE, by_group=True),
        RouteRule("PUT", "/api/cameras/{city}/{camera}/places/{kind}", **CHANGE, by_group=True),
        RouteRule("PUT", "/api/cameras/{city}/{camera}/schedules", **CHANGE, by_group=True),
        RouteRule("GET", "/api/cameras/{city}/{camera}/connection", Scope.ENGINEER, by_group=True),
        RouteRule("PUT", "/api/cameras/{city}/{camera}/connection", **CHANGE, by_group=True),
        RouteRule("POST", "/api/cameras/{city}/{camera}/connection/test", **CHANGE, by_group=True),
        RouteRule("DELETE", "/api/cameras/{city}/{camera}", Scope.ENGINEER, by_group=True),
        RouteRule("POST", "/api/cameras/{city}", **CHANGE),
        RouteRule("POST", "/api/cameras/{city}/test", **CHANGE),
        RouteRule(
            "POST", "/api/cameras/{city}/import", Scope.ENGINEER, TABLES, MAX_TABLE_BYTES, TABLE_S
        ),
        RouteRule("GET", "/api/config/{city}/versions", Scope.VIEWER),
        RouteRule("POST", "/api/config/{city}/undo", **CHANGE),
        *(
            RouteRule("POST", f"/api/models/{{city}}/{{model}}/{verb}", **ORDER)
            for verb in ("rollout", "promote", "rollback")
        ),
        RouteRule("GET", "/api/audit", Scope.ADMIN),
        RouteRule("GET", "/api/audit/check", Scope.ADMIN),
        RouteRule("POST", "/api/deletions", Scope.ADMIN, JSON, DELETION_BYTES),
        RouteRule("GET", "/api/deletions", Scope.ADMIN),
        RouteRule("GET", "/api/deletions/{number}", Scope.ADMIN),
        RouteRule("GET", "/api/me", Scope.VIEWER, by_group=True),
        RouteRule("POST", "/api/me/password", Scope.VIEWER, JSON, PERSON_BYTES, by_group=True),
        RouteRule("GET", "/api/users", Scope.ADMIN),
        RouteRule("POST", "/api/users", Scope.ADMIN, JSON, PERSON_BYTES),
        RouteRule("PATCH", "/api/users/{user}", Scope.ADMIN, JSON, PERSON_BYTES),
        RouteRule("DELETE", "/api/users/{user}", Scope.ADMIN),
        RouteRule("GET", "/api/groups", Scope.ADMIN),
        RouteRule("PUT", "/api/groups/{group}", Scope.ADMIN, JSON, GROUP_BYTES),
        RouteRule("DELETE", "/api/groups/{group}", Scope.ADMIN),
        RouteRule("GET", "/api/openapi.json", Scope.VIEWER, by_group=True),
        # The pages of the API hold nothing of the city; what they load needs a token.
        RouteRule("GET", "/api/docs", None),
        RouteRule("GET", "/api/docs/{file}", None),
        RouteRule("GET", "/health", Scope.VIEWER),
        RouteRule("GET", "/metrics", Scope.VIEWER),
        # The console: its page, the framework's files, and the connection that keeps it current.
        RouteRule("GET", "/", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/incidents", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/incidents/{city}/{incident:path}", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/cameras", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/cameras/{city}/{camera:path}", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/traffic", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/reports", Scope.VIEWER, by_group=True),
        # A rollout is of the whole city, whatever somebody is limited to.
        RouteRule("GET", "/models", Scope.VIEWER),
        RouteRule("GET", "/settings", Scope.ADMIN),
        RouteRule("GET", "/favicon.ico", Scope.VIEWER, by_group=True),
        RouteRule("GET", "/_nicegui/{file:path}", Scope.VIEWER, by_group=True),
        RouteRule("GET WEBSOCKET", "/_nicegui_ws/{rest:path}", Scope.VIEWER, by_group=True),
        RouteRule(
            "POST",
            "/_nicegui_ws/{rest:path}",
            Scope.VIEWER,
            limit_bytes=BATCH_MAX_BYTES,
            by_group=True,
        ),
    )
)


def content_security_policy(images: str = "") -> str:
    """What browsers refuse on every page.

    Args:
        images: A further origin that images may come from, such as `https://tiles.city.example`.
    """
    return "; ".join(_directives(f" {images}" if images else ""))


def _directives(images: str) -> tuple[str, ...]:
    return (
        "default-src 'self'",
        # NiceGUI starts its page with scripts inside the page, and Vue compiles the templates of
        # its components in the browser.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        # NiceGUI and Quasar style elements inside the page.
        "style-src 'self' 'unsafe-inline'",
        # What is restricted is asked for with a reason, and shown from the browser's memory.
        f"img-src 'self' data: blob:{images}",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
