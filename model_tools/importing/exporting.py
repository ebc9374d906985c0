"""A `.pt` file becomes ONNX in a process of its own, which alone imports `ultralytics`.

Such a file is a pickle, and loading one runs whatever code is in it: no sandbox makes that safe for
the person whose files lie beside it. It is done only for files that a person says they trust.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from model_tools.graph.placement import ImageSize
from models import ModelError

MODULE = "model_tools.importing.ultralytics_export"
LIMIT_S = 1800.0
NOT_INSTALLED = 3
"""Exit status of the process where there is no `ultralytics`."""
NO_INSTALLING = ("env", "YOLO_AUTOINSTALL=false", "YOLO_OFFLINE=true")
"""Otherwise the library fetches packages on its own while it runs."""


def export_checkpoint(model: str, checkpoint: Path, out: Path, size: ImageSize | None) -> None:
    """Writes a checkpoint as ONNX; `size` is (width, height), the network's own if None.

    Raises:
        ModelError: `ultralytics` is missing, or the export failed.
    """
    path = f"PYTHONPATH={os.pathsep.join(sys.path)}"
    command = [*NO_INSTALLING, path, sys.executable, "-m", MODULE, str(checkpoint), str(out)]
    if size is not None:
        command.append(f"{size[0]}x{size[1]}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            model, f"the export took more than {LIMIT_S:g} s; export it by hand"
        ) from error
    if done.returncode == NOT_INSTALLED:
        raise ModelError(
            model,
            f"{checkpoint.name} is a PyTorch checkpoint and needs the export extra, which is not "
            "installed: `make export-tools`, or `pip install ultralytics` on another machine "
            "and `yolo export model=... format=onnx` there, then import the ONNX file",
        )
    if done.returncode or not out.is_file():
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ModelError(model, f"{checkpoint.name} cannot be exported: {last}")
