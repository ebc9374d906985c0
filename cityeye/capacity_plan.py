"""`cityeye plan`: how many cores or GPUs a number of cameras needs, by what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.gpu_capacity import GpuCapacity, GpuDemand, gpu_capacities, stored_gpu_results
from cityeye.capacity import known_costs
from cityeye.config import Config
from cityeye.errors import CommandError
from cityeye.model_place import cache_folder
from cityeye.plan import city_plan
from cityeye.replay_camera import CameraChoice, chosen_camera
from pipelines import CameraPlan
from serving import ServedModel
from serving.capacity import (
    BASE_CORES,
    FULL,
    Analysis,
    CameraCost,
    CameraReadings,
    CityBudget,
    CostModel,
    StreamShape,
    keep_costs,
    kept_costs,
    measure_costs,
)

CACHE: Final = "capacity"


@dataclass(frozen=True, slots=True)
class PlannedCamera:
    """The camera that all of a plan are like.

    Attributes:
        stream: What it sends; None where it is the mean of a city's cameras.
        analysis: What is asked of its frames.
        cost: What it needs.
    """

    stream: StreamShape | None
    analysis: Analysis
    cost: CameraCost


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """What cameras need.

    Attributes:
        cameras: How many there are to be.
        camera: What they are like.
        costs: What everything costs on this machine.
        gpus: What kinds of GPUs carry that were measured.
        price: Of one machine like this one, or of one with a GPU; None where none was given.
    """

    cameras: int
    camera: PlannedCamera
    costs: CostModel
    gpus: Sequence[GpuCapacity] = ()
    price: float | None = None

    @property
    def cores(self) -> int:
        """Cores like those of this machine, in one machine."""
        return math.ceil((BASE_CORES + self.cameras * self.camera.cost.cores) / FULL)

    @property
    def per_machine(self) -> int:
        """Cameras that this machine carries."""
        room = FULL * self.costs.cores - BASE_CORES
        return max(0, math.floor(room / self.camera.cost.cores))

    @property
    def machines(self) -> int | None:
        """Machines like this one; None where it carries no such camera."""
        return math.ceil(self.cameras / self.per_machine) if self.per_machine else None

    def cost_per_camera(self, machines: int | None) -> float | None:
        """The price of machines by the number of cameras; None without a price."""
        if self.price is None or machines is None:
            return None
        return self.price * machines / self.cameras

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        stream = self.camera.stream
        return {
            "cameras": self.cameras,
            "camera": {
                "stream": stream and {**asdict(stream), "size": str(stream.size)},
                "analysed_fps": self.camera.analysis.fps,
                "inferences_per_s": dict(self.camera.analysis.inferences),
                "cores": round(self.camera.cost.cores, 5),
            },
            "machine": self.costs.machine,
            "machine_cores": self.costs.cores,
            "spread": round(self.costs.spread, 3),
            "cores_needed": self.cores,
            "cameras_per_machine": self.per_machine,
            "machines_needed": self.machines,
            "cost_per_camera": self.cost_per_camera(self.machines),
            "gpus": [
                {**asdict(one), "needed": gpus_needed(one, self.cameras)} for one in self.gpus
            ],
        }


def gpus_needed(one: GpuCapacity, cameras: int) -> int | None:
    """GPUs of a kind that cameras need; None where one carries no such camera."""
    return math.ceil(cameras / one.cameras) if one.cameras else None


def plan_of_model(
    model: str,
    rate: float,
    path: str | None,
    stream: StreamShape,
    environment: Mapping[str, str],
    *,
    anew: bool = False,
) -> tuple[PlannedCamera, CostModel]:
    """A camera with a model by name and the default rules of its tasks.

    Costs are measured where that was not done on this machine before, or shall be done anew, for a
    few seconds.

    Raises:
        CommandError: There is no such model.
        CapacityError: They could not be measured.
    """
    chosen = chosen_camera(CameraChoice(model, fps=rate, path=path), environment)
    # Signals that no rule needs are for whoever asks for them.
    plan = replace(chosen.plan, signals=frozenset())
    name = "".join(one if one.isalnum() else "-" for one in f"{path or ''}{model}")
    folder = cache_folder(CACHE, environment) / name
    folder.mkdir(parents=True, exist_ok=True)
    costs = _measured(folder, [plan], list(chosen.models.values()), anew=anew)
    analysis = Analysis.of(plan)
    return PlannedCamera(stream, analysis, costs.camera(stream, analysis)), costs


def plan_of_config(
    config: Config, stream: StreamShape | None, *, anew: bool = False
) -> tuple[PlannedCamera, CostModel]:
    """The mean of a city's cameras, with its own costs where they are known.

    Args:
        config: The city.
        stream: What a camera sends; what was measured of its cameras if None.
        anew: Whether costs are measured again.

    Raises:
        CommandError: A model runs where nothing was measured.
        CapacityError: Costs could not be measured.
    """
    plans, state = config.plans, config.settings.state
    costs = None if anew else known_costs(config)
    if costs is None:
        section = config.settings.models
        if section.detector == "ray_serve" or section.provider == "cuda":
            raise CommandError(
                "what an inference costs on Ray Serve or a GPU is measured when the city starts; "
                "start it once, then plan"
            )
        city = city_plan(config, None)
        state.mkdir(parents=True, exist_ok=True)
        needed = [one for one in city.models if city.needs(one)]
        costs = _measured(state, plans, needed, anew=anew)
    readings = {} if stream else CameraReadings(state).known
    budget = CityBudget(costs, readings) if stream is None else CityBudget(costs, {}, stream)
    each = [budget.camera(plan) for plan in plans]
    mean = CameraCost(*(sum(getattr(o, n) for o in each) / len(each) for n in ("cores", "gpu")))
    shown = stream or (None if readings else budget.assumed)
    return PlannedCamera(shown, _mean_analysis(plans), mean), costs


def capacity_plan(
    cameras: int,
    found: tuple[PlannedCamera, CostModel],
    results: Sequence[Path],
    price: float | None,
) -> CapacityPlan:
    """What cameras need, on processors and on the GPUs of stored and given results.

    Raises:
        BenchmarkError: A result cannot be read.
    """
    camera, costs = found
    gpus: list[GpuCapacity] = []
    if camera.stream is not None:
        pixels = camera.stream.megapixels * camera.stream.fps
        demand = GpuDemand(camera.stream.codec, pixels, dict(camera.analysis.inferences))
        gpus = gpu_capacities(demand, [*stored_gpu_results(), *results])
    return CapacityPlan(cameras, camera, costs, gpus, price)


def _measured(
    folder: Path,
    plans: Sequence[CameraPlan],
    models: Sequence[ServedModel],
    *,
    anew: bool = False,
) -> CostModel:
    costs = None if anew else kept_costs(folder, [model.ref.key for model in models])
    if costs is None:
        costs = measure_costs(plans, models)
        keep_costs(folder, costs)
    return costs


def _mean_analysis(plans: Sequence[CameraPlan]) -> Analysis:
    each = [Analysis.of(plan) for plan in plans]
    keys = {key for one in each for key in one.inferences}
    return Analysis(
        sum(one.fps for one in each) / len(each),
        {key: sum(one.inferences.get(key, 0.0) for one in each) / len(each) for key in keys},
    )
