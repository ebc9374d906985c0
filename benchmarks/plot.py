"""Draws the plot of a result with Matplotlib, which is an optional extra: the door to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.result import BenchmarkResult, PlotLine

INCHES = (8.0, 4.5)
DPI = 120
BAR_WIDTH = 0.5
MARKED_POINTS = 40
"""Points of a line up to which each has a mark: more would be a thick line."""
LINES_INSIDE = 6
"""Lines up to which their names stand among them: more would cover them."""
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
        marker = "o" if len(line.x) <= MARKED_POINTS else ""
        axes.errorbar(
            line.x,
            line.y,
            yerr=_bars(line),
            label=line.name,
            marker=marker,
            markersize=4,
            capsize=3,
        )
    bottoms = [0.0] * len(result.plot.bars)
    for stack in result.plot.stacks:
        axes.bar(result.plot.bars, stack.heights, BAR_WIDTH, bottoms, label=stack.name)
        bottoms = [low + high for low, high in zip(bottoms, stack.heights, strict=True)]
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    if result.plot.stacks:
        # In their order from the top to the bottom.
        axes.legend(**beside, reverse=True)
        axes.set_xlim(-0.5, len(result.plot.bars) - 0.5)
    else:
        axes.legend(**beside if len(result.plot.lines) > LINES_INSIDE else {})
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
