"""What a city is asked to change goes on to its control API, and is noted before that.

The trail keeps who asked for what; whether the city took it is in the versions of its
configuration.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from event_hub.city_control import CityControl, control_of, passed_on
from event_hub.people.noting import noted
from pipelines.access import AuditTrail, Reason, caller_of


class _Tried(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: str | None = Field(default=None, max_length=256)
    password: SecretStr | None = Field(default=None, max_length=256)
    reason: Reason | None = None


class TriedAddress(_Tried):
    """A camera as a configuration has it, as far as it matters for opening it."""

    source: str = Field(max_length=2000)
    inference_source: str | None = Field(default=None, max_length=2000)
    transport: Literal["tcp", "udp"] = "tcp"
    verify_tls: bool = True


class TriedLogin(_Tried):
    """Another address or login of a camera to try; what is left out is as the camera has it."""

    source: str | None = Field(default=None, max_length=2000)
    inference_source: str | None = Field(default=None, max_length=2000)
    transport: Literal["tcp", "udp"] | None = None
    verify_tls: bool | None = None


class PassedChanges:
    """Asks the control API of one city on behalf of who asks the hub."""

    def __init__(self, control: CityControl | None, trail: AuditTrail) -> None:
        """Without `control` every request is refused: there is none."""
        self._control = control
        self._trail = trail

    async def change(
        self, request: Request, city: str, method: str, *steps: str, **how: Any
    ) -> Response:
        """Passes the body of a request on; the answer, refusals among it, goes back as it is."""
        way = control_of(self._control, city)
        body, behalf = await request.body(), caller_of(request.scope).name
        said = f"{method} {'/'.join(steps)}"
        await run_in_threadpool(noted, self._trail, request, city, "config.changed", said)
        return await passed_on(lambda: way.change(method, steps, body, behalf, **how))

    async def trial(
        self, request: Request, city: str, tried: TriedAddress | TriedLogin, *steps: str
    ) -> Response:
        """Has a camera tried; whoever wants an image of it is noted with the reason."""
        way, name = control_of(self._control, city), caller_of(request.scope).name
        body = tried.model_dump(mode="json", exclude_none=True)
        if tried.reason is not None:
            # The audit trail of the control API knows the hub; this is who is behind it.
            body["reason"] = f"{tried.reason} (for {name})"
            await run_in_threadpool(noted, self._trail, request, city, "camera.tried", tried.reason)
        if tried.password is not None:
            body["password"] = tried.password.get_secret_value()
        data = json.dumps(body).encode()
        return await passed_on(lambda: way.change("POST", steps, data, name))
