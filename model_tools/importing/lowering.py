"""The same version of a package in another precision: `NAME/1+int8` beside `NAME/1`.

It keeps the golden images of the version that it is made from, with the rows of that network, so
that its admission compares the two.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import onnx

from model_tools.importing.request import ImageBatch
from model_tools.importing.writing import write_texts
from model_tools.precision import to_fp16, to_int8
from models import (
    CARD_FILE,
    GOLDEN_FILE,
    ONNX_FILE,
    ModelPackage,
    Precision,
    in_precision,
    sha256_of,
)
from models.graph import opset_of

TIMES_FP32: Final = "times_fp32"
"""In `measured` of a manifest: images per second by those of fp32, where the version was made."""

NOT_MEASURED: Final = "What it finds was not compared with that version yet."


def lowered(
    package: ModelPackage, precision: Precision, calibration: ImageBatch, out: Path
) -> ModelPackage:
    """Writes `<out>/<name>/<version>+<precision>/`, which nobody has admitted yet.

    Args:
        package: In fp32.
        precision: `int8` or `fp16`.
        calibration: (N, H, W, 3) uint8 RGB images of its input size to choose int8 ranges by.
        out: Root of the repository to write to.

    Raises:
        ModelError: It cannot be converted.
        FileExistsError: The repository has this version already.
    """
    network = onnx.load(package.onnx_path)
    name = str(package)
    if precision == "fp16":
        cheap = to_fp16(network, name=name)
    else:
        cheap = to_int8(network, calibration, name=name)
    version = in_precision(package.version, precision)
    directory = out / package.name / version
    directory.mkdir(parents=True)
    onnx.save_model(cheap, str(directory / ONNX_FILE))
    if package.manifest.golden:
        shutil.copyfile(package.directory / GOLDEN_FILE, directory / GOLDEN_FILE)
    origin = {"file": f"{name}/{ONNX_FILE}", "sha256": package.manifest.sha256}
    manifest = package.manifest.model_copy(
        update={
            "version": version,
            "precision": precision,
            "opset": opset_of(cheap),
            "sha256": sha256_of(directory / ONNX_FILE),
            "source": package.manifest.source.model_copy(update=origin),
            "measured": {},
        }
    )
    card = (package.directory / CARD_FILE).read_text(encoding="utf-8")
    heading = f"# {package.name} {version}\n\n{name} in {precision}. {NOT_MEASURED}"
    card = card.replace(f"# {package.name} {package.version}", heading, 1)
    write_texts(directory, manifest, package.labels, card)
    return ModelPackage.load(directory)
