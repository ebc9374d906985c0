"""Requests that schemathesis makes of an API's own description, sent to a running server."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings


def server_errors(
    url: str,
    description: dict[str, Any],
    headers: dict[str, str],
    examples: int,
    leave_out: Collection[str] = (),
    is_away: str = "",
) -> list[str]:
    """Sends `examples` requests to each operation; gives those that were answered with 5xx.

    A 503 that says `is_away` is right where what it is about is not running.
    """
    found: list[str] = []
    asked = 0
    for result in schemathesis.openapi.from_dict(description).get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        if f"{operation.method.upper()} {operation.path}" in leave_out:
            continue

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            answer = case.call(base_url=url, headers=headers, timeout=60)
            is_right = bool(is_away) and answer.status_code == 503 and is_away in answer.text
            if answer.status_code >= 500 and not is_right:
                found.append(f"{case.method} {case.path} {case.path_parameters} {case.query}")

        ask()
    assert asked > examples
    return found
