"""The profile of a running city: clocks around stages, samples of threads, CPU of processes."""

from benchmarks.profiling.recorder import record_profile

__all__ = ["record_profile"]
