"""The city on Ray: brings up detectors, API and director in order, and takes them down again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget

from serving.actor import start_actor, wait_for
from serving.app import DetectorArgs, build
from serving.city_plan import CityPlan, ServedModel
from serving.control_api import build_api
from serving.director import DIRECTOR, Director, WorkerState
from serving.errors import DirectorError, ServingError
from serving.serve_detector import application_name

log = logging.getLogger(__name__)

API_APPLICATION = "control-api"
ASK_TIMEOUT_S = 10.0
START_TIMEOUT_S = 120.0
STOP_MARGIN_S = 45.0


class City:
    """Everything of one `CityPlan` that runs on an already started cluster."""

    def __init__(self, plan: CityPlan, on_step: Callable[[str], None] = log.info) -> None:
        """Deploys and waits until all models answer, then starts the cameras.

        Args:
            plan: What to run.
            on_step: Told in a few words what is being done, for people who wait.

        Raises:
            ServingError: A model could not be served; the text names it.
        """
        self._plan = plan
        names = ", ".join(f"{model.ref.name} {model.ref.version}" for model in plan.models)
        on_step(f"loading models: {names}")
        deploy(plan.models, api=True)
        on_step(f"starting {len(plan.cameras)} cameras")
        self._director = start_actor(Director, plan, name=DIRECTOR)
        self._ask(START_TIMEOUT_S)

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        Raises:
            DirectorError: The director does not answer.
        """
        return self._ask(ASK_TIMEOUT_S)

    def stop(self) -> Sequence[WorkerState]:
        """Stops cameras, drains outboxes, and says how every worker stood at its end.

        Raises:
            DirectorError: The director did not finish in time; outboxes keep what is left.
        """
        try:
            last: Sequence[WorkerState] = wait_for(
                self._director.stop.remote(), self._plan.drain_s + STOP_MARGIN_S
            )
        except RayError as error:
            raise DirectorError(
                f"the director did not stop in time ({type(error).__name__}); undelivered events "
                "stay in the outbox and go out at the next start"
            ) from None
        finally:
            ray.kill(self._director, no_restart=True)
        return last

    def _ask(self, timeout_s: float) -> Sequence[WorkerState]:
        try:
            answer: Sequence[WorkerState] = wait_for(self._director.workers.remote(), timeout_s)
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None
        return answer


def deploy(models: Sequence[ServedModel], *, api: bool = False) -> None:
    """Serves model versions, side by side, and waits until all of them answer.

    Args:
        models: The model versions.
        api: Whether the control API is started with them.

    Raises:
        ServingError: One could not be served; the text names model, version and cause.
    """
    gpus = float(ray.cluster_resources().get("GPU", 0.0))  # type: ignore[no-untyped-call]
    targets = [
        RunTarget(build(args), name=application_name(model.ref), route_prefix=None)
        for model, args in zip(models, placed(models, gpus), strict=True)
    ]
    if api:
        targets.append(RunTarget(build_api(tuple(models)), name=API_APPLICATION, route_prefix="/"))
    try:
        serve.run_many(targets)
    except (RuntimeError, RayError) as error:
        raise ServingError(_why_not(models, error)) from None


def placed(models: Sequence[ServedModel], gpus: float) -> list[DetectorArgs]:
    """The arguments of each model with its share of the GPUs, all shares equal.

    Ray hides every GPU from a replica that reserves none of it, so a model that may use one has
    to reserve something even where it does not mind to share.

    Args:
        models: The model versions.
        gpus: GPUs that Ray sees.

    Raises:
        ServingError: A model must run on a GPU and there is none.
    """
    willing = sum(model.args.provider != "cpu" and not model.args.gpus for model in models)
    share = min(1.0, math.floor(gpus / willing * 100) / 100) if willing else 0.0
    arguments = []
    for model in models:
        args = model.args
        if args.provider == "cuda" and gpus == 0:
            raise ServingError(
                f"model {model.ref.name} {model.ref.version} is to run on a GPU, but Ray sees none "
                "here; check the driver with nvidia-smi, or write provider: cpu"
            )
        if args.provider != "cpu" and not args.gpus:
            args = args.model_copy(update={"gpus": share / args.replicas})
        arguments.append(args)
    return arguments


def _why_not(models: Sequence[ServedModel], error: Exception) -> str:
    """One sentence that names the model that could not be served, and the cause."""
    applications = serve.status().applications
    for model in models:
        status = applications.get(application_name(model.ref))
        if status is not None and status.status.value in ("DEPLOY_FAILED", "UNHEALTHY"):
            # The application only says that a deployment failed; the deployment says why.
            told = [one.message for one in status.deployments.values() if one.message]
            cause = _cause("\n".join(told) or status.message)
            return f"model {model.ref.name} {model.ref.version} cannot be served: {cause}"
    return f"the models cannot be served: {_cause(str(error))}"


def _cause(message: str) -> str:
    """The line that carries the cause: the last non-empty one of a remote traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
