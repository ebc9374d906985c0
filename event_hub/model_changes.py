"""The routes of the hub that decide which model versions serve: they go on to the control API.

The hub decides who may, wants a reason, and says on whose behalf it asks. What the control API
answers, refusals with their sentence among it, goes back as it is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from event_hub.answers import described
from event_hub.city_control import CityControl, control_of, passed_on
from event_hub.people.noting import noted
from pipelines.access import AuditTrail, caller_of

PATH = "/api/models/{city}/{model}"
ReasonGiven = Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=300)]
_VERSION: Final = r"[0-9]+(\.[0-9]+)*(\+[a-z0-9]+)?"
"""As a city names its versions: `3`, `3.1`, `3+int8`."""

Version = Annotated[str, Field(pattern=f"^{_VERSION}$", max_length=50)]
RolloutVersion = Annotated[str, Field(pattern=f"^({_VERSION}|none)$", max_length=50)]


class VersionOrder(BaseModel):
    """A decision about the versions of a model; the reason is kept in the model's ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: ReasonGiven


class RollbackOrder(VersionOrder):
    """`version` becomes the stable one; without it, what was before comes back."""

    version: Version | None = None


class RolloutOrder(VersionOrder):
    """What is to be tried: a canary on `cameras` (`10%`, or ids with commas between), a shadow.

    What is left out stays; `none` ends it.
    """

    canary: RolloutVersion | None = None
    cameras: Annotated[str, Field(max_length=4000)] | None = None
    shadow: RolloutVersion | None = None


def add_model_changes(router: APIRouter, control: CityControl | None, trail: AuditTrail) -> None:
    """Adds the routes; without a control API they say that there is none.

    The trail keeps who asked for which change before it is passed on; whether the city took it is
    in the ledger of the model.
    """

    async def change(
        request: Request,
        city: str,
        model: str,
        verb: str,
        order: VersionOrder,
        body: bytes = b"",
        version: str | None = None,
    ) -> Response:
        way, behalf = control_of(control, city), caller_of(request.scope).name
        said = f"{verb} {order.model_dump_json(exclude_none=True)}"
        key = f"{city}/{model}"
        await run_in_threadpool(noted, trail, request, key, "model.changed", said)
        steps, query = ("models", model, verb), {"why": order.reason}
        if version is not None:
            query["version"] = version
        return await passed_on(lambda: way.change("POST", steps, body, behalf, query=query))

    @router.post(f"{PATH}/rollout", response_class=Response, **_how("Try a version on cameras"))
    async def change_rollout(
        city: str, model: str, order: RolloutOrder, request: Request
    ) -> Response:
        """Answers when cameras have new routes; see the control API."""
        wanted = order.model_dump_json(exclude_none=True, exclude={"reason"})
        return await change(request, city, model, "rollout", order, wanted.encode())

    @router.post(f"{PATH}/promote", response_class=Response, **_how("Make it the stable version"))
    async def promote(city: str, model: str, order: VersionOrder, request: Request) -> Response:
        """The canary, or else the shadow."""
        return await change(request, city, model, "promote", order)

    @router.post(f"{PATH}/rollback", response_class=Response, **_how("Take a version back"))
    async def roll_back(city: str, model: str, order: RollbackOrder, request: Request) -> Response:
        """The canary, or else the newest promotion; or to any admitted version."""
        return await change(request, city, model, "rollback", order, version=order.version)


def _how(summary: str) -> dict[str, Any]:
    return described("models", summary, 404, 409, 422, 502, 503)
