"""No request that fits the hub's description, or nearly does, makes it fail."""

from __future__ import annotations

import pytest

from tests.api_fuzzing import server_errors
from tests.event_hub.conftest import Client
from tests.levels import scaled

ENDLESS = {"GET /api/feed", "GET /api/cameras/{city}/{camera}/live"}
"""Their answers go on for as long as somebody reads."""


@pytest.mark.slow
@pytest.mark.scaled
def test_no_request_makes_the_hub_fail(hub: Client) -> None:
    description = hub.json("/api/openapi.json")
    assert server_errors(hub.url, description, hub.auth, scaled(10), leave_out=ENDLESS) == []
    assert hub.json("/health")["status"] == "ok"
