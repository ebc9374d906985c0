"""Results made up for tests of what is done with results."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.machine import GpuFingerprint, LoadBefore, MachineFingerprint
from benchmarks.result import BenchmarkResult, Metric, PlotLine, ResultPlot, ResultTable

MACHINE = MachineFingerprint(
    cpu="Abacus 3000 (family 1, model 2, stepping 3)",
    cpu_flags=("avx2",),
    cores=2.0,
    memory_mb=8192,
    gpus=(),
    system="Testix 1, Linux 6.1",
    versions={"python": "3.11.7", "onnxruntime": "1.23.0", "cityeye": "0.1.0"},
    commit="0123456789ab",
)
QUIET = LoadBefore(load_average=0.1, busy=0.02, stolen=0.0)
GPU = GpuFingerprint(name="Testla", driver="550.1", memory_mb=16000)
SPEED = (100.0, 101.0, 99.0, 100.5, 99.5, 100.2, 99.8)


def speed(samples=SPEED, name="images_per_s[batch=8]", better="higher"):
    return Metric(name=name, unit="images/s", better=better, samples=tuple(samples))


def result(*metrics, machine=MACHINE, load=QUIET, **changed):
    values = {
        "benchmark": "detect",
        "started_at": datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        "took_s": 12.3,
        "machine": machine,
        "load_before": load,
        "settings": {"rounds": 7},
        "metrics": metrics or (speed(),),
        "tables": (
            ResultTable(
                title="Inference",
                columns=("decoder", "images/s", "ratio"),
                rows=(("a|b", 100.0, 0.98765), ("c", 1234.5, 1.0)),
            ),
        ),
        "plot": ResultPlot(
            title="Inference",
            x_label="batch",
            y_label="images/s",
            lines=(PlotLine.of("one", {1.0: (1, 2, 3), 8.0: (4, 5, 9)}),),
        ),
    }
    return BenchmarkResult(**{**values, **changed})
