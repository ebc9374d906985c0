"""The one place that imports `ultralytics`: a checkpoint in, an ONNX file out.

    python -m model_tools.importing.ultralytics_export best.pt best.onnx 640x384

Run by `cityeye models import`, in a process of its own. `ultralytics` is licensed under AGPL-3.0.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence

NOT_INSTALLED = 3


def main(arguments: Sequence[str]) -> int:
    """Exports; returns the exit status, 3 where `ultralytics` is missing."""
    try:
        from ultralytics import YOLO
        from ultralytics.nn.modules import RTDETRDecoder
    except ImportError:
        return NOT_INSTALLED
    checkpoint, out, *more = arguments
    with tempfile.TemporaryDirectory() as folder:
        # The exporter writes beside its file, which may be a place that is not to be written to.
        copy = shutil.copy(checkpoint, folder)
        network = YOLO(copy)
        options: dict[str, object] = {"format": "onnx", "simplify": False}
        if isinstance(network.model.model[-1], RTDETRDecoder):
            # Its queries are picked by batch, which only a dynamic export leaves open.
            options["dynamic"] = True
        elif more:
            width, height = (int(side) for side in more[0].split("x"))
            options["imgsz"] = [height, width]
        shutil.move(str(network.export(**options)), out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
