"""A city whose control API has models: its tables change as the real ones do, and nothing serves.

Tables, refusals and answers are those of `serving`; what stands in is who serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter

from models import BUILTIN_ROOT, ModelRepository
from pipelines.shadow import BoxAgreement, ComparisonState, IncidentNote
from serving.api.answers import ModelAnswer
from serving.api.health import KeptAnswer
from serving.api.rollouts import RolloutAnswer, comparison_answer
from serving.api.versions import VersionAnswer, version_detail
from serving.errors import RolloutError
from serving.rollout.ledger import LedgerEntry
from serving.rollout.rollout import Rollout, RolloutChange, changed, promoted, rolled_back
from tests.event_hub.console.live_city import Answered, ControlApi

CAMERAS = ("cam-1", "cam-2", "cam-3", "cam-4")
JSON = "application/json"


class ModelControl(ControlApi):
    """Knows three admitted versions of `traffic` and one that was refused.

    Attributes:
        table: The rollout.
        fault: Answered instead of everything, where it is a status.
        thin: Whether nothing was inferred and compared yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = Rollout(model="traffic", stable="1")
        self.ledger: list[LedgerEntry] = []
        self.fault = 0
        self.thin = False

    def answered(self, method: str, path: str, body: bytes, behalf: str) -> Answered:
        self.asked.append(path)
        parts = urlsplit(path)
        steps = parts.path.strip("/").split("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.fault:
            return self.fault, "application/problem+json", b'{"detail": "away"}'
        if method == "POST":
            return self._decided(steps[-1], body, query, behalf)
        found: Any = {
            "health": lambda: {"kept": [kept.model_dump(mode="json") for kept in KEPT]},
            "models": self._served,
            "rollouts": lambda: [self._answer()],
            "ledger": lambda: self.ledger[::-1],
            "versions": self._versions,
            "comparison": lambda: self._comparison(query["first"], query["second"]),
        }.get(steps[-1])
        if found is None:
            return 200, JSON, self._detail(steps[-1])
        answer = found()
        if answer is None:
            return 404, "application/problem+json", b'{"detail": "never compared"}'
        return 200, JSON, TypeAdapter(Any).dump_json(answer)

    def decide(self, verb: str, change: dict[str, str], who: str) -> None:
        """What somebody decided before."""
        query = {"why": "fewer false alarms in the rain"}
        status, _, body = self._decided(verb, json.dumps(change).encode(), query, who)
        assert status == 200, body

    def _answer(self) -> RolloutAnswer:
        more: dict[str, Any] = {"cameras": CAMERAS, "under_way": "", "leaving": (), "absent": {}}
        more["warm"] = None
        return RolloutAnswer.of(self.table, **more)

    def _served(self) -> list[ModelAnswer]:
        return [
            ModelAnswer.model_validate(
                {
                    "name": "traffic", "version": version, "sha256": "0" * 64, "width": 640,
                    "height": 384, "labels": ("car",), "provider": "cpu", "replicas": 2,
                    "precision": "fp32", "chosen": "",
                    "memory_bytes": 210 << 20, "warm_until": None,
                    "thresholds": {"default": 0.4, "classes": {}},
                    "application": f"traffic-{version}", "status": "RUNNING",
                    "role": self.table.role(version),
                    "cameras": [one for one in CAMERAS if self.table.version_for(one) == version],
                    "requests": 40, "errors": 0, "images": 0 if self.thin else 4_120,
                    "inference_ms_per_image": None if self.thin else 11.4,
                }
            )
            for version in self.table.versions
        ]  # fmt: skip

    def _versions(self) -> list[VersionAnswer]:
        known = [("1", ""), ("2", ""), ("3", ""), ("4", "no report")]
        return [
            VersionAnswer(name="traffic", version=one, admitted=not problem, problem=problem)
            for one, problem in known
        ]

    def _detail(self, version: str) -> bytes:
        """The built-in package, evaluated where it is version 1, once on other bytes."""
        package = ModelRepository(BUILTIN_ROOT).find("traffic", "1")
        detail = json.loads(version_detail(package).model_dump_json())
        sha256 = detail["manifest"]["sha256"]
        if version == "1":
            own = {"sha256": sha256, "data": "district-frames", "images": 128, "at": NOW}
            other = {**own, "sha256": "0" * 64, "data": "of-before", "at": LATER}
            means = {"means": {"ap": 0.42, "ap50": 0.634}}
            detail["evaluations"] = {"a": own | means, "b": other | means}
        return json.dumps(detail).encode()

    def _comparison(self, first: str, second: str) -> Any:
        keys = f"traffic/{first}", f"traffic/{second}"
        now = datetime.now(UTC)
        boxes = BoxAgreement() if self.thin else BoxAgreement(900, 640, 12, 30, 18, 96, 500.0, 4.0)
        note = IncidentNote(
            "second", "i-1", "cam-1", "traffic.congestion", "东进口", "high", now, now
        )
        notes = () if self.thin else (note,)
        begin = now - timedelta(hours=3)
        state = ComparisonState("cam-1", "traffic", *keys, begin, now, boxes, 7, notes=notes)
        return comparison_answer(*keys, [state], {})

    def _decided(self, verb: str, body: bytes, query: Mapping[str, str], behalf: str) -> Answered:
        before = self.table
        try:
            if verb == "rollout":
                self.table = changed(before, RolloutChange.model_validate_json(body), CAMERAS)
            elif verb == "promote":
                self.table = promoted(before)
            else:
                self.table = rolled_back(before, query.get("version"))
        except RolloutError as error:
            problem = json.dumps({"detail": str(error)}).encode()
            return 409, "application/problem+json", problem
        self.ledger.append(
            LedgerEntry(
                at=datetime.now(UTC), model="traffic",
                deed={"rollout": "change", "promote": "promote"}.get(verb, "rollback"),  # type: ignore[arg-type]
                who=f"{behalf} by event hub", why=query["why"], before=before.stable,
                stable=self.table.stable, shadow=self.table.shadow,
                canary=self.table.canary.version if self.table.canary else "",
            )
        )  # fmt: skip
        return 200, JSON, self._answer().model_dump_json().encode()


KEPT = [
    KeptAnswer(
        name=name, used_bytes=used, oldest=date(2026, 11, 1), max_bytes=most, max_days=days,
        held=0, deleted=0,
    )
    for name, used, most, days in (
        ("keyframes", 61_400_000_000, 100_000_000_000, 30.0),
        ("restricted", 93_500_000_000, 100_000_000_000, 7.0),
        ("worker-1 events", 32_000_000, 270_000_000, 1.0),
        ("worker-2 events", 8_000_000, 270_000_000, 1.0),
    )
]  # fmt: skip
NOW = "2026-11-20T08:00:00+00:00"
LATER = "2026-11-21T08:00:00+00:00"
