"""What runs on the street have in common: their quantities, metrics and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from benchmarks.result import Cell, Metric
from benchmarks.rounds import Quantities, Rounds
from benchmarks.street import Street, StreetRun

UNITS: Final[Mapping[str, tuple[str, Literal["higher", "lower"]]]] = {
    "inferences_per_s": ("1/s", "higher"),
    "rate_min": ("1/s", "higher"),
    "rate_median": ("1/s", "higher"),
    "rate_max": ("1/s", "higher"),
    "evenness": ("least rate / greatest rate", "higher"),
    "age_p50_ms": ("ms", "lower"),
    "age_p95_ms": ("ms", "lower"),
    "age_max_ms": ("ms", "lower"),
    "cpu_cores": ("cores", "lower"),
    "pss_mb": ("MB", "lower"),
    "unreadable": ("results", "lower"),
    "server_cores": ("cores", "lower"),
}
"""Unit of each quantity of a run, and which values are better."""

COLUMNS: Final = (
    "inferences/s", "camera min/s", "median/s", "max/s", "evenness", "age p50 ms", "p95 ms",
    "max ms", "cores", "MB", "unreadable", "server cores",
)  # fmt: skip
"""Headings of the quantities of a run, in the order of `UNITS`."""


def quantities(run: StreetRun) -> Quantities:
    """The quantities of one run, as in `UNITS`."""
    return {
        "inferences_per_s": run.per_s,
        "rate_min": min(run.rates),
        "rate_median": run.median_rate,
        "rate_max": max(run.rates),
        "evenness": run.evenness,
        "age_p50_ms": run.age_p50_ms,
        "age_p95_ms": run.age_p95_ms,
        "age_max_ms": run.age_max_ms,
        "cpu_cores": run.cpu_cores,
        "pss_mb": run.pss_mb,
        "unreadable": run.unreadable,
        "server_cores": run.server_cores,
    }


def cells(rounds: Rounds, contestant: str) -> tuple[Cell, ...]:
    """The medians of a contestant over all rounds, in the order of `COLUMNS`."""
    return tuple(rounds.spread(contestant, quantity).median for quantity in UNITS)


def metrics(benchmark: str, rounds: Rounds, contestants: Sequence[str]) -> list[Metric]:
    """All quantities of all contestants, whose names are what stands in brackets."""
    return [
        Metric(
            name=f"{benchmark}.{quantity}[{contestant}]",
            unit=unit,
            better=better,
            samples=rounds.samples(contestant, quantity),
        )
        for contestant in contestants
        for quantity, (unit, better) in UNITS.items()
    ]


def street_settings(street: Street) -> dict[str, JsonValue]:
    """What was the same in all runs, for the result; no folder of the machine is in it."""
    return {
        "package": f"{street.package.parent.name}/{street.package.name}",
        "clip": street.clip.name,
        "camera_fps": street.camera_fps,
        "camera_size": street.camera_size,
        "camera_mbit_per_s": street.camera_mbit_per_s,
        "settle_s": street.settle_s,
        "cameras_per_worker": street.cameras_per_worker,
        "city_version": street.city_package.name if street.city_package else None,
        "motion_gate_s": street.motion_gate_s,
        "main_clip": street.main_clip.name if street.main_clip else None,
        "busy_neighbour": street.busy_neighbour,
        "ultralytics_model": Path(street.ultralytics_model).name,
        "ultralytics_imgsz": street.ultralytics_imgsz,
    }
