"""Launching on Ray Serve: each model version becomes an application, verified before any frame."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, ServeStatus

from pipelines import InferenceMetrics
from serving.app import build
from serving.errors import ServingError, last_line
from serving.gpu_shares import ROLLOUT_GPUS, WorkerGpus, equal_share, may_use_gpu
from serving.gpus import gpus_of_cluster
from serving.serve_detector import PREFIX, ServeDetector, application_name
from serving.served_models import DetectorArgs, ModelState, ServedModel

LAUNCH_TIMEOUT_S = 180.0
POLL_S = 0.2
STATUS_TIMEOUT_S = 3.0
UNKNOWN = "UNKNOWN"
"""State of a version of which Serve says nothing; it may give results all the same."""

RUNNING_REPLICA = "RUNNING"
FAILED = frozenset({ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY})


class RayServeDetectors:
    """Detectors on Ray Serve; see `DetectorService`. Workers have nothing to load."""

    def __init__(self) -> None:
        # Serve is asked beside its callers: its controller is away for as long as the head is.
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="serve-status")
        # The open question, and up to when it is waited for, monotonic seconds.
        self._asked: tuple[Future[ServeStatus], float] | None = None

    def port(self, models: Mapping[str, ServedModel]) -> ServeDetector:
        """See `DetectorService.port`."""
        return ServeDetector()

    def worker_gpus(self, models: Sequence[ServedModel], workers: int) -> WorkerGpus:
        """See `DetectorService.worker_gpus`."""
        return WorkerGpus.of(models, gpus_of_cluster(), workers, infer=False)

    def deploy(self, models: Sequence[ServedModel]) -> None:
        """See `DetectorService.deploy`; the versions start side by side."""
        _launch(models, placed(models, gpus_of_cluster()))

    def launch(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.launch`."""
        (args,) = placed([model], gpus_of_cluster())
        if args.gpus and not model.args.gpus:
            args = args.model_copy(update={"gpus": ROLLOUT_GPUS / args.replicas})
        try:
            _launch([model], [args])
        except ServingError:
            self.remove(model)
            raise

    def remove(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.remove`; calls in flight still get their results."""
        try:
            serve.delete(application_name(model.ref), _blocking=False)
        except RayServeException as error:
            raise ServingError(f"{model.title} cannot be ended: {last_line(error)}") from None

    def retain(self, models: Sequence[ServedModel]) -> None:
        """See `DetectorService.retain`."""
        names = {application_name(model.ref) for model in models}
        for name in serve.status().applications:
            if name.startswith(PREFIX) and name not in names:
                serve.delete(name, _blocking=False)

    def states(
        self,
        models: Sequence[ServedModel],
        metrics: Mapping[str, InferenceMetrics],
        faults: Mapping[str, str],
    ) -> list[ModelState]:
        """See `DetectorService.states`; asks Serve, whatever the workers say."""
        applications = self._applications()
        if applications is None:
            return [ModelState(UNKNOWN, "unknown", application_name(one.ref)) for one in models]
        port = ServeDetector()
        states = []
        for model in models:
            name = application_name(model.ref)
            found = applications.get(name)
            runs = found is not None and found.status is ApplicationStatus.RUNNING
            provider = port.provider(model.ref) if runs else "unknown"
            status = found.status.value if found else "NOT_STARTED"
            replicas = _running_replicas(found)
            # All replicas of a version run the same network, so one answers for all of them.
            held = port.memory_bytes(model.ref) if runs else None
            memory = None if held is None else held * replicas
            states.append(ModelState(status, provider, name, replicas, memory))
        return states

    def _applications(self) -> Mapping[str, ApplicationStatusOverview] | None:
        """What Serve says; None where its controller does not answer in time."""
        asked, until_s = self._asked or (
            self._asking.submit(serve.status),
            time.monotonic() + STATUS_TIMEOUT_S,
        )
        self._asked = asked, until_s
        wait([asked], max(0.0, until_s - time.monotonic()))
        if not asked.done():
            return None
        self._asked = None
        return asked.result().applications


def _running_replicas(found: ApplicationStatusOverview | None) -> int:
    if found is None:
        return 0
    return sum(
        count
        for deployment in found.deployments.values()
        for state, count in deployment.replica_states.items()
        if state == RUNNING_REPLICA
    )


def placed(models: Sequence[ServedModel], gpus: float) -> list[DetectorArgs]:
    """The arguments of each model with its share of the GPUs that Ray sees, equal for all replicas.

    Raises:
        ServingError: A model must run on a GPU and there is none.
    """
    may_use = may_use_gpu(models, gpus)
    wanting = [may and not model.args.gpus for model, may in zip(models, may_use, strict=True)]
    replicas = [model.args.replicas for model, wants in zip(models, wanting, strict=True) if wants]
    share = equal_share(gpus, sum(replicas))
    return [
        model.args.model_copy(update={"gpus": share}) if wants else model.args
        for model, wants in zip(models, wanting, strict=True)
    ]


def _launch(models: Sequence[ServedModel], arguments: Sequence[DetectorArgs]) -> None:
    targets = [
        RunTarget(build(args), name=application_name(model.ref), route_prefix=None)
        for model, args in zip(models, arguments, strict=True)
    ]
    try:
        _wait_until_gone(models)
        serve.run_many(targets, wait_for_applications_running=False)
        # A replica runs only when it has verified its golden images.
        wait_until_running({application_name(one.ref): one.title for one in models})
    except (RuntimeError, RayError, RayServeException) as error:
        raise ServingError(f"the models cannot be served: {last_line(error)}") from None
    port = ServeDetector()
    for model in models:
        # Once more, the way that cameras will ask it.
        problem = port.verify(model.ref)
        if problem:
            raise ServingError(_cannot(model.title, problem))


def wait_until_running(applications: Mapping[str, str]) -> None:
    """Waits until Serve applications run; their names give what people call them.

    Raises:
        ServingError: One failed, or did not start in time; the text names it and the cause.
    """
    deadline_s = time.monotonic() + LAUNCH_TIMEOUT_S
    waiting = dict(applications)
    while waiting:
        states = serve.status().applications
        for application, title in tuple(waiting.items()):
            found = states.get(application)
            if found and found.status in FAILED:
                raise ServingError(_cannot(title, _why_not(found)))
            if found and found.status is ApplicationStatus.RUNNING:
                del waiting[application]
            elif time.monotonic() > deadline_s:
                reason = f"it did not start within {LAUNCH_TIMEOUT_S:.0f} s; look at free memory, "
                raise ServingError(_cannot(title, f"{reason}processors and GPUs"))
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


def _cannot(title: str, cause: str) -> str:
    return f"{title} cannot be served: {cause}"


def _why_not(application: ApplicationStatusOverview) -> str:
    # The application only says that a deployment failed; the deployment says why.
    reasons = [one.message for one in application.deployments.values() if one.message]
    return last_line("\n".join(reasons) or application.message or "no reason given")
