"""The result of a benchmark: what every one of them writes, prints and draws in the same way.

A result keeps the samples of every round, so that two results can be compared against their spread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from benchmarks.errors import BenchmarkError
from benchmarks.machine import LoadBefore, MachineFingerprint, fingerprint, load_before
from benchmarks.rounds import Rounds, Spread

Cell = str | int | float


class _Stored(BaseModel):
    """A part of a result file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(_Stored):
    """One measured quantity.

    Attributes:
        name: What it is, the same in every run, such as `detect.images_per_s[batch=8]`.
        unit: Its unit.
        better: Whether a higher or a lower value is better.
        samples: One value per round.
    """

    name: str
    unit: str
    better: Literal["higher", "lower"]
    samples: tuple[float, ...] = Field(min_length=1)

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What contestants measure; see `Metric`."""

    name: str
    unit: str
    better: Literal["higher", "lower"]


class ResultTable(_Stored):
    """Rows for people, as long as the columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class PlotLine(_Stored):
    """One line of a plot; `low` and `high` are the ends of each value's bar, empty without bars."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, points: Mapping[float, Sequence[float]]) -> PlotLine:
        """A line through the medians of samples by x, with bars from the least to the greatest."""
        spreads = [Spread.of(samples) for samples in points.values()]
        return cls(
            name=name,
            x=tuple(points),
            y=tuple(one.median for one in spreads),
            low=tuple(one.least for one in spreads),
            high=tuple(one.most for one in spreads),
        )


class ResultPlot(_Stored):
    """What to draw: lines over a common axis."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[PlotLine, ...]


class BenchmarkResult(_Stored):
    """All that is known of one run of one benchmark.

    Attributes:
        layout: Version of this file's layout.
        benchmark: Its name, as after `cityeye bench`.
        started_at: When it started.
        took_s: How long it ran.
        machine: Where.
        load_before: How busy the machine was before it started.
        settings: What it was asked to do.
        metrics: What it measured; names are unique.
        tables: The same for people.
        plot: What to draw; none where a plot says nothing.
    """

    layout: Literal[1] = 1
    benchmark: str
    started_at: datetime
    took_s: float
    machine: MachineFingerprint
    load_before: LoadBefore
    settings: Mapping[str, JsonValue]
    metrics: tuple[Metric, ...]
    tables: tuple[ResultTable, ...]
    plot: ResultPlot | None = None

    def metric(self, name: str) -> Metric:
        """The metric of a name.

        Raises:
            KeyError: There is none.
        """
        return {one.name: one for one in self.metrics}[name]

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is noted before a benchmark starts; create it before anything heavy runs.

    Attributes:
        at: The time.
        machine: The machine.
        load: How busy it was.
    """

    machine: MachineFingerprint = field(default_factory=fingerprint)
    load: LoadBefore = field(default_factory=load_before)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _started_s: float = field(default_factory=time.monotonic)

    def result(
        self,
        benchmark: str,
        settings: Mapping[str, JsonValue],
        metrics: Sequence[Metric],
        tables: Sequence[ResultTable],
        plot: ResultPlot | None = None,
    ) -> BenchmarkResult:
        """The result of the run that ends now."""
        return BenchmarkResult(
            benchmark=benchmark,
            started_at=self.at,
            took_s=round(time.monotonic() - self._started_s, 1),
            machine=self.machine,
            load_before=self.load,
            settings=dict(settings),
            metrics=tuple(metrics),
            tables=tuple(tables),
            plot=plot,
        )


def metrics_of(
    rounds: Rounds, quantities: Sequence[Quantity], labels: Mapping[str, str]
) -> list[Metric]:
    """Metrics of contestants.

    Args:
        rounds: What they gave.
        quantities: Which of it.
        labels: What stands in a metric's name for each contestant, such as `batch=8,threads=1`;
            contestants without one are left out.
    """
    return [
        Metric(
            name=f"{one.name}[{label}]",
            unit=one.unit,
            better=one.better,
            samples=rounds.samples(contestant, one.name),
        )
        for contestant, label in labels.items()
        for one in quantities
    ]


def read_result(path: Path) -> BenchmarkResult:
    """Reads a result file.

    Raises:
        BenchmarkError: It is not there or is no result.
    """
    try:
        return BenchmarkResult.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BenchmarkError(
            f"{path} is no benchmark result of this version: {place or 'JSON'}: {first['msg']}; "
            "write it again with `cityeye bench NAME --json FILE`"
        ) from None


def cell_text(cell: Cell) -> str:
    """A cell for people: numbers with as many digits as mean something."""
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"  # noqa: PLR2004
    return str(cell)
