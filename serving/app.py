"""Builds the Serve application of one model version: `serving.app:build`.

The same builder with other arguments serves another model, from `serve run`, a Serve config file,
or the command line of CityEye.
"""

# Serve looks at the class annotation of the builder's parameter: no postponed annotations here.

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from ray.serve import Application
from ray.serve.schema import LoggingConfig

from serving.detector_deployment import DetectorDeployment
from serving.model_source import RemotePackage


class DetectorArgs(BaseModel):
    """Typed argument of `build`.

    Attributes:
        package: Directory of the model package, `<name>/<version>`, or where else it is found.
        threads: ONNX Runtime threads per replica.
        provider: `cpu`, `cuda`, or `auto` for the best that the machine has.
        replicas: Copies of the model.
        cpus: Share of a core that Ray reserves per replica when it places replicas.
        gpus: Share of a GPU that Ray reserves per replica.
        max_ongoing: Micro-batches that may wait at one replica; generous, because Serve backs
            off for up to half a second once all replicas are full.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Path | RemotePackage
    threads: int = Field(default=1, ge=1, le=256)
    provider: Literal["auto", "cpu", "cuda"] = "auto"
    replicas: int = Field(default=1, ge=1, le=1024)
    cpus: float = Field(default=0.1, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    max_ongoing: int = Field(default=32, ge=2, le=4096)


def build(args: DetectorArgs) -> Application:
    """The Serve application for one model version."""
    deployment: Any = DetectorDeployment
    application: Application = deployment.options(
        num_replicas=args.replicas,
        max_ongoing_requests=args.max_ongoing,
        # What fails to start twice is broken, and whoever waits for it wants to know.
        max_constructor_retry_count=2,
        ray_actor_options={"num_cpus": args.cpus, "num_gpus": args.gpus},
        # A log line per micro-batch would cost more than the hop itself.
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    ).bind(args.package, args.threads, args.provider)
    return application
