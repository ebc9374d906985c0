"""What an earlier program left in the folder of a city is taken by today's program.

`state/city-8dd4002.tar.xz` was written by the program of that commit; `state/README.md` says how.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from models import BUILTIN_ROOT, ModelPackage
from models.admission import why_not_admitted

LEFT = Path(__file__).parent / "state" / "city-8dd4002.tar.xz"


def unpacked(folder: Path) -> Path:
    """The folder as it was left, with the graph of its models."""
    with tarfile.open(LEFT) as archive:
        archive.extractall(folder, filter="data")
    for version in ("1", "2"):
        for name in ("model.onnx", "golden.npz"):
            package = folder / "packages" / "crowding" / version
            shutil.copy(BUILTIN_ROOT / "crowding" / "1" / name, package)
    return folder


def test_what_was_admitted_is_still_admitted(tmp_path: Path) -> None:
    for version in ("1", "2"):
        package = ModelPackage.load(unpacked(tmp_path / version) / "packages/crowding" / version)
        assert why_not_admitted(package) == ""
