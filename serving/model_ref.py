"""From a package on disk to what a pipeline needs to know of it; light, no Ray behind it."""

from __future__ import annotations

from camera_adapters.geometry import Size
from models.package import ModelPackage
from pipelines.plan import ModelRef


def model_ref(package: ModelPackage) -> ModelRef:
    """Name, version, input size and fit, labels and limits of a verified package."""
    manifest = package.manifest
    return ModelRef(
        name=package.name,
        version=package.version,
        size=Size(manifest.input.width, manifest.input.height),
        labels=package.labels,
        threshold=manifest.thresholds.default,
        max_batch=manifest.input.max_batch,
        fit=manifest.input.fit,
    )
