"""Checks of the files: there, ordinary, not too large, and the ones that the manifest names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from model_tools.thresholds_section import contradiction
from models import (
    CARD_FILE,
    GOLDEN_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    MAX_FILE_BYTES,
    MAX_ONNX_BYTES,
    GoldenSet,
    ModelPackage,
    PackageError,
    existing,
    golden_of,
    sha256_of,
)
from models.detections import Detections

MEGABYTE = 1024 * 1024


def described(directory: Path, findings: dict[str, Any]) -> tuple[ModelPackage, str]:
    """Reads the manifest, the labels and the card; sets the thresholds."""
    package = ModelPackage.described(directory)
    thresholds = package.manifest.thresholds
    findings["thresholds"] = thresholds.model_dump()
    path = directory / CARD_FILE
    wanted = contradiction(path.read_text(encoding="utf-8", errors="replace"), thresholds)
    if wanted:
        raise PackageError(
            str(package),
            path,
            f"names other confidence thresholds than {MANIFEST_FILE}",
            f"write {wanted} there and where they come from, or take back the change",
        )
    existing(str(package), package.onnx_path, MAX_ONNX_BYTES)
    size = package.onnx_path.stat().st_size / MEGABYTE
    return package, f"{len(package.labels)} classes, a graph of {size:.1f} MB"


def verified(package: ModelPackage, findings: dict[str, Any]) -> tuple[bytes, str]:
    """Reads the graph's bytes; sets the checksums."""
    content = package.onnx_path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    findings["sha256"] = found
    findings["labels"] = sha256_of(package.directory / LABELS_FILE)
    manifest = package.manifest
    if found != manifest.sha256:
        raise PackageError(
            str(package),
            package.onnx_path,
            f"has sha256 {found[:12]}…, the manifest says {manifest.sha256[:12]}…",
            "copy the file again, or import the model anew if the change was wanted",
        )
    return content, f"sha256 {found[:12]}… as the manifest says"


def golden(package: ModelPackage, findings: dict[str, Any]) -> tuple[GoldenSet, str]:
    """Reads the golden images, which must be those of the manifest and show something."""
    model, path, manifest = str(package), package.directory / GOLDEN_FILE, package.manifest
    if manifest.golden:
        existing(model, path, MAX_FILE_BYTES, "copy it again, or import the model anew")
    found = golden_of(package)
    if found is None:
        raise PackageError(
            model,
            path,
            "the manifest names no golden images, so the model cannot be verified",
            "import the model again with `cityeye models import`, which makes them",
        )
    findings["golden"] = manifest.golden
    size = (manifest.input.height, manifest.input.width, 3)
    if found.images.shape[1:] != size or found.rows.shape[1] != manifest.output.rows:
        raise PackageError(
            model,
            path,
            f"holds images {found.images.shape} and rows {found.rows.shape}, "
            f"the model takes {size} and gives {manifest.output.rows} rows",
            "import the model again",
        )
    if not found.shows_something:
        raise PackageError(
            model,
            path,
            f"shows {len(found)} images in which nothing was found, which verify nothing",
            "import the model again with images of what it detects",
        )
    objects = sum(len(Detections.from_rows(rows, package.thresholds)) for rows in found.rows)
    return found, f"{len(found)} images with {objects} objects above the thresholds"
