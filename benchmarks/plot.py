"""Draws the plot of a result with Matplotlib, which is an optional extra: the door to it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.result import BenchmarkResult, PlotLine

INCHES = (8.0, 4.5)
DPI = 120
WITHOUT_LIBRARY = "no plot was drawn: it needs Matplotlib, `pip install 'cityeye[bench]'`"


def draw(result: BenchmarkResult, path: Path) -> str:
    """Draws to a .png or .svg file; says why nothing was drawn, empty if all is well."""
    if result.plot is None:
        return f"no plot was drawn: {result.benchmark} has none"
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return WITHOUT_LIBRARY
    figure = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=result.plot.title, xlabel=result.plot.x_label, ylabel=result.plot.y_label)
    for line in result.plot.lines:
        axes.errorbar(
            line.x, line.y, yerr=_bars(line), label=line.name, marker="o", markersize=4, capsize=3
        )
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.supxlabel(f"{result.machine.cpu}, {result.started_at:%Y-%m-%d}", fontsize="x-small")
    figure.savefig(path, dpi=DPI)
    return ""


def _bars(line: PlotLine) -> tuple[list[float], list[float]] | None:
    """How far the bars reach down and up from each value."""
    if not line.low:
        return None
    down = [max(0.0, y - low) for y, low in zip(line.y, line.low, strict=True)]
    up = [max(0.0, high - y) for y, high in zip(line.y, line.high, strict=True)]
    return down, up
