"""Golden verification: a loaded model gives its golden rows, on the provider that it runs on.

Admission compares strictly where the golden rows were made; whoever serves only has to notice that
a model gives wrong rows on this machine, so the tolerance is that of another provider.
"""

from __future__ import annotations

from models.detector import Detector
from models.errors import PackageError
from models.golden import GoldenSet, disagreement, tolerance_of
from models.package import GOLDEN_FILE, ModelPackage, sha256_of

OTHER_MACHINE = "cuda"
"""Tolerance as for another provider than the one that gave the golden rows."""


def golden_of(package: ModelPackage) -> GoldenSet | None:
    """The golden images of a package; None where its manifest names none.

    Raises:
        PackageError: The file is missing, unusable, or not the one that the manifest means.
    """
    wanted = package.manifest.golden
    if not wanted:
        return None
    path = package.directory / GOLDEN_FILE
    golden = GoldenSet.load(path)
    actual = sha256_of(path)
    if actual != wanted:
        raise PackageError(
            str(package),
            path,
            f"has sha256 {actual[:12]}…, the manifest says {wanted[:12]}…",
            "copy the file again, or import the model again",
        )
    return golden


def verify_golden(detector: Detector, golden: GoldenSet) -> str:
    """Why a model does not give its golden rows; empty if it does."""
    # On this machine float32 sums may end otherwise than where the rows were made: never strictly.
    tolerance = tolerance_of(detector.package.manifest.precision, OTHER_MACHINE)
    problem = disagreement(detector.run(golden.images), golden.rows, tolerance)
    return f"wrong answers to its golden images: {problem}" if problem else ""
