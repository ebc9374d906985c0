"""Converts a package to another precision, as `cityeye models import` does, in a folder apart."""

from __future__ import annotations

from pathlib import Path

import onnx

from model_tools.importing import ImageBatch
from model_tools.precision import to_fp16, to_int8
from models import MANIFEST_FILE, ModelPackage, Precision, sha256_of
from models.graph import opset_of


def converted(
    package: ModelPackage, precision: Precision, calibration: ImageBatch, folder: Path
) -> ModelPackage:
    """The package in another precision, under `folder`.

    Args:
        package: In fp32.
        precision: `int8` or `fp16`.
        calibration: (N, H, W, 3) uint8 images of its input size to choose int8 ranges by.
        folder: Where it is written; deleted by whoever made it.

    Raises:
        ModelError: It cannot be converted.
    """
    model = onnx.load(package.onnx_path)
    cheap = to_fp16(model) if precision == "fp16" else to_int8(model, calibration)
    directory = folder / precision / package.name / package.version
    directory.mkdir(parents=True)
    for file in package.directory.iterdir():
        if file.is_file():
            (directory / file.name).write_bytes(file.read_bytes())
    onnx.save(cheap, directory / package.onnx_path.name)
    manifest = package.manifest.model_copy(
        update={
            "precision": precision,
            "opset": opset_of(cheap),
            "sha256": sha256_of(directory / package.onnx_path.name),
        }
    )
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(), encoding="utf-8")
    return ModelPackage.load(directory)
