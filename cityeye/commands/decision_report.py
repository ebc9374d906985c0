"""What people decided about the incidents of a model's versions, as the hub counts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cityeye.commands.hub_option import hub_client
from cityeye.errors import CommandError


def decision_lines(
    url: str, model: str, versions: Sequence[str], token_file: Path | None
) -> list[str]:
    """How often incidents of some versions were so, by kind and in all, a line each.

    A shadow publishes nothing, so that a version has decisions of the time when it was in service.
    A hub that cannot be asked is one line that says why.
    """
    try:
        found = hub_client(url, token_file).get("/api/precision", model=model)["rows"]
    except CommandError as error:
        return [f"no decisions of people: {error}"]
    lines = []
    for version in versions:
        own = [row for row in found if row["model"]["version"] == version]
        lines.append(f"{model}/{version}, as people decided: {_share(own)}")
        lines += [
            f"  {kind}: {_share([row for row in own if row['kind'] == kind])}"
            for kind in sorted({row["kind"] for row in own})
        ]
    return lines


def _share(rows: Sequence[dict[str, Any]]) -> str:
    real = sum(row["real"] for row in rows)
    total = real + sum(row["false_alarms"] for row in rows)
    if not total:
        return "nothing decided"
    cameras = len({(row["city"], row["camera"]) for row in rows})
    return f"{real} of {total} incidents were real ({real / total:.0%}) on {cameras} cameras"
