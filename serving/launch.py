"""Launching: model versions become Serve applications, proved before anybody is sent to them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from serving.app import DetectorArgs, build
from serving.errors import ServingError
from serving.serve_detector import application_name
from serving.served_model import ServedModel

LAUNCH_TIMEOUT_S = 180.0
PROOF_TIMEOUT_S = 60.0
POLL_S = 0.2
FAILED = frozenset({ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY})
ROLLOUT_GPUS = 0.01
"""Share of a GPU that Ray reserves for a version that joins later: a place, not a limit."""
FREE_GPUS = 0.1
"""Share of the GPUs that the first models leave to versions that join later."""


def deploy(models: Sequence[ServedModel]) -> None:
    """Serves model versions, side by side, and waits until all of them have proved themselves.

    Args:
        models: The model versions.

    Raises:
        ServingError: One could not be served; the text names model, version and cause.
    """
    gpus = float(ray.cluster_resources().get("GPU", 0.0))  # type: ignore[no-untyped-call]
    _launch(models, placed(models, gpus))


def launch(model: ServedModel) -> None:
    """Serves one more version beside those that are served; leaves nothing behind if it fails.

    Raises:
        ServingError: It could not be served, or its answers are wrong; the text names the cause.
    """
    gpus = float(ray.cluster_resources().get("GPU", 0.0))  # type: ignore[no-untyped-call]
    (args,) = placed([model], gpus)
    if args.gpus and not model.args.gpus:
        args = args.model_copy(update={"gpus": ROLLOUT_GPUS / args.replicas})
    try:
        _launch([model], [args])
    except ServingError:
        remove(model)
        raise


def remove(model: ServedModel) -> None:
    """Begins to end the Serve application of a version; its calls under way are answered."""
    serve.delete(application_name(model.ref), _blocking=False)


def status(model: ServedModel) -> ApplicationStatusOverview | None:
    """The state of a version's Serve application, None where there is none."""
    return serve.status().applications.get(application_name(model.ref))


def placed(models: Sequence[ServedModel], gpus: float) -> list[DetectorArgs]:
    """The arguments of each model with its share of the GPUs, all shares equal.

    Ray hides every GPU from a replica that reserves none of it, so a model that may use one has
    to reserve something even where it does not mind to share. Something stays free for versions
    that join later.

    Args:
        models: The model versions.
        gpus: GPUs that Ray sees.

    Raises:
        ServingError: A model must run on a GPU and there is none.
    """
    willing = sum(model.args.provider != "cpu" and not model.args.gpus for model in models)
    usable = gpus * (1 - FREE_GPUS)
    share = min(1 - FREE_GPUS, math.floor(usable / willing * 100) / 100) if willing else 0.0
    arguments = []
    for model in models:
        args = model.args
        if args.provider == "cuda" and gpus == 0:
            raise ServingError(
                f"{_called(model)} is to run on a GPU, but Ray sees none here; "
                "check the driver with nvidia-smi, or write provider: cpu"
            )
        if args.provider != "cpu" and not args.gpus:
            args = args.model_copy(update={"gpus": share / args.replicas})
        arguments.append(args)
    return arguments


def _launch(models: Sequence[ServedModel], arguments: Sequence[DetectorArgs]) -> None:
    targets = [
        RunTarget(build(args), name=application_name(model.ref), route_prefix=None)
        for model, args in zip(models, arguments, strict=True)
    ]
    try:
        _wait_until_gone(models)
        serve.run_many(targets, wait_for_applications_running=False)
        # A replica runs only when it has answered its golden images.
        wait_until_running({application_name(one.ref): _called(one) for one in models})
        for model in models:
            _prove(model)
    except (RuntimeError, RayError, RayServeException) as error:
        raise ServingError(f"the models cannot be served: {_cause(str(error))}") from None


def wait_until_running(applications: Mapping[str, str]) -> None:
    """Waits until Serve applications run.

    Args:
        applications: What people call them, by name of the application.

    Raises:
        ServingError: One failed, or did not start in time; the text names it and the cause.
    """
    deadline_s = time.monotonic() + LAUNCH_TIMEOUT_S
    waiting = dict(applications)
    while waiting:
        states = serve.status().applications
        for application, called in tuple(waiting.items()):
            found = states.get(application)
            if found and found.status in FAILED:
                raise ServingError(_cannot(called, _why_not(found)))
            if found and found.status is ApplicationStatus.RUNNING:
                del waiting[application]
            elif time.monotonic() > deadline_s:
                reason = f"it did not start within {LAUNCH_TIMEOUT_S:.0f} s; look at free memory, "
                raise ServingError(_cannot(called, f"{reason}processors and GPUs"))
        if waiting:
            time.sleep(POLL_S)


def _wait_until_gone(models: Sequence[ServedModel]) -> None:
    """Waits for versions that were removed a moment ago and are to run again."""
    deadline_s = time.monotonic() + LAUNCH_TIMEOUT_S
    names = {application_name(model.ref) for model in models}
    while any(
        name in names and application.status is ApplicationStatus.DELETING
        for name, application in serve.status().applications.items()
    ):
        if time.monotonic() > deadline_s:
            raise ServingError(f"the old replicas of {', '.join(sorted(names))} do not end")
        time.sleep(POLL_S)


def _prove(model: ServedModel) -> None:
    """Has a version answer its golden images the way that cameras will ask it.

    Raises:
        ServingError: It does not answer, or wrongly.
    """
    handle: Any = serve.get_app_handle(application_name(model.ref))
    try:
        problem = str(handle.prove.remote().result(timeout_s=PROOF_TIMEOUT_S))
    except TimeoutError:
        problem = f"no answer to its golden images within {PROOF_TIMEOUT_S:.0f} s"
    except (RayError, RayServeException) as error:
        problem = _cause(str(error))
    if problem:
        raise ServingError(_cannot(_called(model), problem))


def _called(model: ServedModel) -> str:
    return f"model {model.ref.name} {model.ref.version}"


def _cannot(called: str, cause: str) -> str:
    return f"{called} cannot be served: {cause}"


def _why_not(application: ApplicationStatusOverview) -> str:
    # The application only says that a deployment failed; the deployment says why.
    told = [one.message for one in application.deployments.values() if one.message]
    return _cause("\n".join(told) or application.message)


def _cause(message: str) -> str:
    """The line that carries the cause: the last non-empty one of a remote traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
