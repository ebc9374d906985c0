"""A bar at the terminal that says how much of a file has come or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def transfer_bar(
    name: str, total: int | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error, moved by the bytes that have passed and of how many, if known."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total)
        yield lambda passed, of: progress.update(task, completed=passed, total=of)
