"""Builds the Serve application of one model version: `serving.app:build`.

The same builder with other arguments serves another model, from `serve run`, a Serve config file,
or the command line of CityEye.
"""

# Serve looks at the class annotation of the builder's parameter: no postponed annotations here.

from typing import Any

from ray.serve import Application
from ray.serve.schema import LoggingConfig

from serving.detector_deployment import DetectorDeployment
from serving.served_models import DetectorArgs


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
    ).bind(args)
    return application
