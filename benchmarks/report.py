"""One page for whoever signs the order: what a machine carries, and what a camera costs on it.

Everything on it comes out of result files. What a result does not say is called not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.errors import BenchmarkError
from benchmarks.result import BenchmarkResult, ResultTable
from benchmarks.results_page import RESULTS

NOT_MEASURED: Final = "not measured"
CITY: Final = "cityeye"
MET: Final = "met"
BUSY: Final = 0.85
"""Share of the cores that were busy at the largest number, from which on they are the limit."""

TEMPLATES: Final = Path(__file__).parent / "templates"
REPORTABLE: Final = ("streams", "gpu")


@dataclass(frozen=True, slots=True)
class CarriedCameras:
    """What one run says of one kind of camera.

    Attributes:
        cameras: How many were carried in real time.
        kind: What they send, and what is inferred of them.
        latency: Frame age, in words.
        bottleneck: What limits the number, in words.
        watts: What was drawn meanwhile, in words.
        watts_each: Of one camera, None where that was not measured.
        price_each: Likewise.
    """

    cameras: int
    kind: str
    latency: str
    bottleneck: str
    watts: str
    watts_each: float | None
    price_each: float | None


@dataclass(frozen=True, slots=True)
class ReportedMachine:
    """A machine and what it carried.

    Attributes:
        name: Its GPUs, or its processor.
        facts: What it is made of.
        source: The result: command, time, commit, file.
        carried: What it carried.
        notes: What has to be known beside the numbers.
    """

    name: str
    facts: str
    source: str
    carried: tuple[CarriedCameras, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What no benchmark knows: the price of one machine, and its power at the socket, watts."""

    price: float | None = None
    watts: float | None = None


def stored_reportable() -> list[Path]:
    """Results about cameras that are kept with the program."""
    found = sorted(RESULTS.rglob("*.json"))
    return [path for path in found if path.name.split("-")[0] in REPORTABLE]


def reported(result: BenchmarkResult, file: str, terms: OrderTerms) -> ReportedMachine:
    """What a result says for the page.

    Raises:
        BenchmarkError: It is about no cameras.
    """
    found: Mapping[str, Callable[[BenchmarkResult, OrderTerms], Iterator[CarriedCameras]]]
    found = {"streams": _streams, "gpu": _gpu}
    if result.benchmark not in found:
        names = " or ".join(f"`cityeye bench {one}`" for one in REPORTABLE)
        raise BenchmarkError(
            f"{file} is a result of `bench {result.benchmark}`, which does not say how many "
            f"cameras are carried; give results of {names}"
        )
    carried = tuple(found[result.benchmark](result, terms))
    if not carried:
        raise BenchmarkError(f"{file} has no run with cameras; measure it again")
    machine, load = result.machine, result.load_before
    notes = [] if load.quiet else [f"The machine was busy before the run: {load.busy:.0%}."]
    if any(len(one.samples) == 1 for one in result.metrics if ".cameras[" in one.name):
        notes.append("One round: the spread between rounds is not known.")
    commit = f", commit {machine.commit}" if machine.commit else ""
    return ReportedMachine(
        name=", ".join(one.name for one in machine.gpus) or machine.cpu,
        facts=f"{machine.cpu}, {machine.cores:g} cores, {round(machine.memory_mb / 1024)} GB; "
        f"{machine.system}",
        source=f"cityeye bench {result.benchmark}, {result.started_at:%Y-%m-%d}{commit}, {file}",
        carried=carried,
        notes=tuple(notes),
    )


def _streams(result: BenchmarkResult, terms: OrderTerms) -> Iterator[CarriedCameras]:
    """The largest number of cameras of the city that met the service level."""
    table = next(one for one in result.tables if "level" in one.columns)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    met = [row for row in rows if row["contestant"] == CITY and row["level"] == MET]
    if not met:
        return
    best = max(met, key=lambda row: (_number(row["cameras"]), -_number(row["p95 ms"])))
    busy = (_number(best["cores"]) + _number(best["server cores"])) / result.machine.cores
    bottleneck = f"processor, {busy:.0%} busy"
    if busy < BUSY:
        bottleneck = f"not known: the processor was {busy:.0%} busy"
    settings, cameras = result.settings, int(_number(best["cameras"]))
    kind = (
        f"{settings.get('camera_size') or 'size unknown,'} at {settings['camera_fps']:g} images/s, "
        f"{settings['fps']:g} inferences/s each of {settings['package']}"
    )
    latency = f"median {_number(best['age p50 ms']):.0f} ms, p95 {_number(best['p95 ms']):.0f} ms"
    own = _metric(result, f"streams.watts[{CITY}]")
    yield _carried(cameras, kind, latency, bottleneck, (own, "processor by RAPL"), terms)


def _gpu(result: BenchmarkResult, terms: OrderTerms) -> Iterator[CarriedCameras]:
    """Each codec of a GPU."""
    tables = [one for one in result.tables if "bottleneck" in one.columns]
    for row in (row for table in tables for row in _rows(table)):
        cameras = int(_number(row["cameras"]))
        if not cameras:
            continue
        busy = ", ".join(f"{one} {row[f'{one} busy']}" for one in ("engines", "GPU", "host"))
        kind = (
            f"{result.settings['recordings']}, in {row['codec']}, 5 inferences/s each of "
            f"{result.settings['model']}"
        )
        own = _metric(result, f"streams.watts[codec={row['codec']}]")
        yield _carried(
            cameras,
            kind,
            f"p95 {_number(row['age p95 ms']):.0f} ms",
            f"{row['bottleneck']} (busy: {busy})",
            (own, "GPU at most by its driver"),
            terms,
        )


def _carried(
    cameras: int,
    kind: str,
    latency: str,
    bottleneck: str,
    own: tuple[float | None, str],
    terms: OrderTerms,
) -> CarriedCameras:
    watts, how = own
    if terms.watts is not None:
        watts, how = terms.watts, "as given"
    text = NOT_MEASURED if watts is None else f"{watts:.0f} W ({how})"
    return CarriedCameras(
        cameras,
        kind,
        latency,
        bottleneck,
        text,
        None if watts is None else watts / cameras,
        None if terms.price is None else terms.price / cameras,
    )


def report_page(machines: Sequence[ReportedMachine], terms: OrderTerms, at: datetime) -> str:
    """The page as HTML that prints on one sheet of A4."""
    return _rendered("report.html", machines, terms, at)


def report_markdown(machines: Sequence[ReportedMachine], terms: OrderTerms, at: datetime) -> str:
    """The same as Markdown."""
    return _rendered("report.md", machines, terms, at)


def _rendered(
    template: str, machines: Sequence[ReportedMachine], terms: OrderTerms, at: datetime
) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(machines=machines, terms=terms, at=at)


def _metric(result: BenchmarkResult, name: str) -> float | None:
    return next((one.median for one in result.metrics if one.name == name), None)


def _rows(table: ResultTable) -> Iterator[Mapping[str, str | int | float]]:
    return (dict(zip(table.columns, row, strict=True)) for row in table.rows)


def _number(cell: str | int | float) -> float:
    return float(cell)
