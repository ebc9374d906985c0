"""What stops a benchmark: a sentence that says what is wrong and what to do."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark cannot run as asked, or a result cannot be read."""
