"""From a measurement on this machine to its `CostModel`, which is kept beside the city's state."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from camera_adapters import CameraSpec, ffmpeg_version
from pipelines import CameraPlan
from pipelines.access import write_owned_file
from pipelines.delivery import make_folder
from serving.capacity.cost import Analysis, CostModel, ModelCost
from serving.capacity.errors import CapacityError
from serving.capacity.trial_process import REPORT, TrialOrder
from serving.cores import cpu_name, usable_cores
from serving.served_models import ServedModel

FILE: Final = "capacity.json"
"""In the state folder of a city."""

NODES_FILE: Final = "capacity-nodes.json"
"""Beside it, of the machines of a cluster."""

TIMEOUT_S: Final = 180.0
MOST_PLANS: Final = 8
NOWHERE: Final = "rtsp://trial.invalid/"

_MODEL: Final = TypeAdapter(CostModel)
_MODELS: Final = TypeAdapter(dict[str, CostModel])


def machine_name() -> str:
    """What decides costs beside models: another name is another machine, or another program."""
    versions = f"FFmpeg {ffmpeg_version()}, ONNX Runtime {_version('onnxruntime')}"
    return f"{cpu_name()}, {usable_cores():g} cores; {versions}"


def kept_costs(state: Path, keys: Sequence[str]) -> CostModel | None:
    """What was measured on this machine before; None where that is not so, or a model is missing.

    Args:
        state: The folder in which it is kept.
        keys: Every `name/version` whose cost in the process of the cameras must be known.
    """
    with suppress(OSError, ValidationError):
        found = _MODEL.validate_json((state / FILE).read_bytes())
        known = {key for key, cost in found.models.items() if cost.local}
        if found.machine == machine_name() and known.issuperset(keys):
            return found
    return None


def keep_costs(state: Path, costs: CostModel) -> None:
    """Keeps costs for the next start; where they cannot be kept, they are measured again."""
    with suppress(OSError):
        write_owned_file(state / FILE, _MODEL.dump_json(costs, indent=2))


def kept_node_costs(state: Path, keys: Sequence[str]) -> dict[str, CostModel]:
    """What was measured on machines of a cluster before, by `machine_name`.

    Args:
        state: The folder in which it is kept.
        keys: Every `name/version` whose cost must be known; kinds without them are left out.
    """
    with suppress(OSError, ValidationError):
        found = _MODELS.validate_json((state / NODES_FILE).read_bytes())
        return {name: one for name, one in found.items() if not one.missing(keys)}
    return {}


def keep_node_costs(state: Path, costs: Mapping[str, CostModel]) -> None:
    """Keeps them for the next start; where they cannot be kept, they are measured again."""
    with suppress(OSError):
        make_folder(state)
        write_owned_file(state / NODES_FILE, _MODELS.dump_json(dict(costs), indent=2))


def measure_costs(
    plans: Sequence[CameraPlan],
    models: Sequence[ServedModel],
    elsewhere: Mapping[str, ModelCost] | None = None,
) -> CostModel:
    """Measures on this machine, in a process of its own, for a few seconds.

    Args:
        plans: The cameras of a city, or one that stands for all.
        models: The versions that they need.
        elsewhere: What inferences cost that do not run in the process of the cameras, by
            `name/version`; they are not run in the trial.

    Raises:
        CapacityError: It failed; the text says why.
    """
    elsewhere = elsewhere or {}
    run = tuple(map(_on_the_processor, (m for m in models if m.ref.key not in elsewhere)))
    order = TrialOrder(tuple(map(_without_source, _samples(plans))), run)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "serving.capacity.trial_process"],
            input=pickle.dumps(order),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        report = REPORT.validate_json(ended.stdout)
    except subprocess.TimeoutExpired:
        raise CapacityError(f"costs were not measured within {TIMEOUT_S:.0f} s") from None
    except ValidationError:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        what = said[-1] if said else f"it ended with status {ended.returncode}"
        raise CapacityError(f"costs could not be measured: {what}") from None
    if report.fault:
        raise CapacityError(f"costs could not be measured: {report.fault}")
    here = {key: ModelCost(core_s) for key, core_s in report.inference_s.items()}
    return CostModel(
        machine=machine_name(),
        cores=usable_cores(),
        video=report.video,
        reading_s=report.reading_s,
        conversions=report.conversions,
        frame_s=report.frame_s,
        camera_cores=report.camera_cores,
        models={**here, **elsewhere},
        spread=report.spread,
    )


def _samples(plans: Sequence[CameraPlan]) -> list[CameraPlan]:
    """Plans that are different in what they cost, a few of them."""
    kinds: dict[object, CameraPlan] = {}
    for plan in plans:
        rules = frozenset(rule.kind for task in plan.tasks for rule in task.rules)
        models = frozenset(Analysis.of(plan).inferences)
        kinds.setdefault((rules, models, plan.signals), plan)
    return list(kinds.values())[:MOST_PLANS]


def _without_source(plan: CameraPlan) -> CameraPlan:
    """A plan whose camera is nowhere, so that no login travels."""
    return replace(plan, camera=CameraSpec(plan.camera.id, NOWHERE))


def _on_the_processor(model: ServedModel) -> ServedModel:
    return replace(model, args=model.args.model_copy(update={"provider": "cpu"}))


def _version(distribution: str) -> str:
    """Of either of its packages: on a GPU it has another name."""
    for name in (distribution, f"{distribution}-gpu"):
        with suppress(ImportError):
            return version(name)
    return "unknown"
