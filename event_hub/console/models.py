"""The page of models: what serves where, what is being tried, and how often it was right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from event_hub.cases.precision import PrecisionFilter, PrecisionRow, precision_report
from event_hub.city_control import CityControl
from event_hub.console.city_models import CityModelReader, ModelInService
from event_hub.console.markup import camera_name, markup
from event_hub.console.page import CityReading, Content, Slot, Visit
from event_hub.console.precision_table import precision_rows
from pipelines.access import Scope

PRECISION_DAYS: Final = 30
ROWS: Final = 100


class ModelsPage:
    """See `event_hub.console.page.FetchingPage`."""

    name = "models"
    paths: tuple[str, ...] = ("/models",)
    slots: Mapping[str, tuple[Slot, ...]] = {
        "all": (
            Slot("models-head"),
            Slot("models", "ol", rows="li"),
            Slot("precision", "section"),
        )
    }

    def __init__(self, control: CityControl | None = None) -> None:
        """`control` is the API of the city whose models are shown; None where there is none."""
        self._reader = CityModelReader(control) if control is not None else None

    def fetch(self) -> None:
        """See `FetchingPage.fetch`."""
        if self._reader is not None:
            self._reader.read()

    def read(self, reading: CityReading, visit: Visit) -> Content:
        """The models in service, and the precision of each version by what people decided."""
        render = markup(visit.language).render
        reader = self._reader
        latest = reader.latest if reader else None
        rows = {
            one.name: render(
                "model_card.html",
                model=one,
                may_act=visit.scope.allows(Scope.ENGINEER),
                url=_url(reader.city, one.name) if reader else "",
                promoted=_promoted(one),
            )
            for one in (latest.models if latest else ())
        }
        parts = {
            "models-head": render(
                "models_head.html",
                has_control=reader is not None,
                is_away=reader is not None and reader.is_away,
                read_at=latest.read_at if latest else None,
                is_empty=latest is not None and not latest.models,
            ),
            "precision": render(
                "precision.html", rows=_precision(reading), days=PRECISION_DAYS, most=ROWS
            ),
        }
        return Content(visit.language.text("Models"), parts, {"models": rows})


def _precision(reading: CityReading) -> list[tuple[str, PrecisionRow]]:
    since = reading.situation.read_at - timedelta(days=PRECISION_DAYS)
    report = precision_report(reading.connection, PrecisionFilter(since=since, sees=reading.sees))
    names = {
        (one.city, one.camera.id): camera_name(one.camera) for one in reading.situation.cameras
    }
    return precision_rows(report.rows, names)


def _url(city: str, model: str) -> str:
    return f"/api/models/{quote(city, safe='')}/{quote(model, safe='')}"


def _promoted(model: ModelInService) -> str:
    """The version that a promotion makes the stable one; empty where there is none."""
    table = model.table
    if table is None:
        return ""
    return table.canary.version if table.canary else table.shadow
