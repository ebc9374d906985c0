"""Exports that Ultralytics makes of random networks, against its own post-processing.

Runs only where `ultralytics` is installed, which nothing that serves needs.
"""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime as ort
import pytest

from model_tools.importing.importer import ValidationImages, import_model
from model_tools.importing.request import ImportRequest
from models.detector import Detector
from models.errors import ModelError

torch = pytest.importorskip("torch", reason="a training library, not part of the project")
ultralytics = pytest.importorskip("ultralytics", reason="the export extra is not installed")

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]

HEIGHT, WIDTH = 192, 320
SQUARE = 320
IMAGES = 6
CONFIDENCE = 0.25
OVERLAP = 0.7
HEADS = {
    "YOLOv8": ("yolov8n.yaml", {}, "yolo"),
    "YOLO11 of free size": ("yolo11n.yaml", {"dynamic": True}, "yolo"),
    "YOLO26 one to many": ("yolo26n.yaml", {}, "yolo"),
    "YOLO26 end to end": ("yolo26n.yaml", {"nms": False}, "yolo-e2e"),
    "YOLOv8 for two": ("yolov8n.yaml", {"batch": 2}, "yolo"),
    "YOLOv8 in half": ("yolov8n.yaml", {"half": True}, "yolo"),
    "YOLOv10": ("yolov10n.yaml", {"nms": False}, "yolo-e2e"),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def images_of(height: int, width: int) -> np.ndarray:
    """Coarse noise: large patches make a random network answer differently from place to place."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (IMAGES, height // 16, width // 16, 3), np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def sharpened(network, images: np.ndarray) -> None:
    """Spreads the scores of a random network, so that there is something to select.

    Its normalisation layers first learn what they see, else every signal dies on the way.
    """

    def spread(module, _, output) -> None:
        axes = [axis for axis in range(output.ndim) if axis != (1 if output.ndim == 4 else 2)]
        middle, width = output.mean(axes), output.std(axes) + 1e-6
        scale = 1.5 / width
        module.weight.mul_(scale.reshape(-1, *[1] * (module.weight.ndim - 1)))
        module.bias.copy_((module.bias - middle) * scale - 5.0)

    norms = [one for one in network.model.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    last = [
        module
        for name, module in network.model.named_modules()
        if (isinstance(module, torch.nn.Conv2d) and "cv3." in name and module.bias is not None)
        or (isinstance(module, torch.nn.Linear) and "score_head" in name)
    ]
    planes = torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255))
    with torch.no_grad():
        network.model.eval()
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        network.model(planes)
        network.model.eval()
        hooks = [module.register_forward_hook(spread) for module in last]
        network.model(planes)
        for hook in hooks:
            hook.remove()


def exported(tmp_path, cfg: str, images: np.ndarray, **options):
    kind = ultralytics.RTDETR if "rtdetr" in cfg else ultralytics.YOLO
    torch.manual_seed(2)
    network = kind(cfg)
    sharpened(network, images)
    path = tmp_path / "network.onnx"
    shutil.move(network.export(format="onnx", simplify=False, verbose=False, **options), path)
    return path


def imported(tmp_path, path, images, **more):
    request = ImportRequest(name="street", file=path.name, **more)
    noise = ValidationImages(images[:4], "noise")
    return import_model(path, request, tmp_path / "packages", lambda inspected: noise)


def raw_output(path, images):
    """What the exported file gives, in a session of its own, as few images at once as it takes.

    The input is the very one that the package computes: random networks make much of a last digit.
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    planes = images.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(1 / 255)
    planes = planes.astype(np.float16) if "16" in first.type else planes
    step = first.shape[0] if isinstance(first.shape[0], int) else 1
    parts = [
        session.run(None, {first.name: planes[start : start + step]})[0]
        for start in range(0, len(planes), step)
    ]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def rows_of(package, images, step: int) -> np.ndarray:
    detector = Detector(package)
    parts = [detector.run(images[i : i + step]) for i in range(0, len(images), step)]
    return np.concatenate(parts)


def compare(found, wanted, size) -> tuple[int, float]:
    """How many rows above the confidence there are, and how far the farthest pair is apart."""
    count, farthest = 0, 0.0
    for rows, theirs in zip(found, wanted, strict=True):
        mine = list(rows[rows[:, 4] > CONFIDENCE])
        clipped = np.array(theirs, np.float32)
        clipped[:, :4] = np.clip(clipped[:, :4], 0, [size[0], size[1]] * 2)
        assert len(mine) == len(clipped)
        for row in clipped:
            # Near-equal scores may come in any order.
            distances = [np.abs(one - row).max() for one in mine]
            nearest = int(np.argmin(distances))
            farthest = max(farthest, float(distances[nearest]))
            del mine[nearest]
            count += 1
    return count, farthest


@pytest.mark.parametrize("name", HEADS)
def test_an_export_equals_ultralytics_own_selection(tmp_path, name, record_property):
    from ultralytics.utils.nms import non_max_suppression

    cfg, options, head = HEADS[name]
    images = images_of(HEIGHT, WIDTH)
    path = exported(tmp_path, cfg, images, imgsz=[HEIGHT, WIDTH], **options)
    size = (WIDTH, HEIGHT) if "dynamic" in options else None
    done = imported(tmp_path, path, images, size=size)
    assert done.inspected.head == head
    assert done.package.manifest.input.dynamic_batch
    assert (done.package.manifest.input.width, done.package.manifest.input.height) == (
        WIDTH,
        HEIGHT,
    )
    raw = raw_output(path, images)
    wanted = non_max_suppression(
        raw, CONFIDENCE, OVERLAP, max_det=300, end2end=head == "yolo-e2e", max_time_img=100.0
    )
    found = rows_of(done.package, images, options.get("batch", 1))
    count, farthest = compare(found, [rows.numpy() for rows in wanted], (WIDTH, HEIGHT))
    record_property("rows", f"{count} rows, farthest {farthest:.2g}")
    assert farthest < 1e-3
    if head == "yolo":
        assert count < int((raw[:, 4:].amax(1) > CONFIDENCE).sum()), "something was suppressed"
    assert count > 5 * IMAGES


@pytest.mark.parametrize("options", [{}, {"dynamic": True}], ids=["fixed", "dynamic"])
def test_an_rtdetr_equals_ultralytics_own_selection(tmp_path, options, record_property):
    from ultralytics.models.rtdetr.predict import RTDETRPredictor

    images = images_of(SQUARE, SQUARE)
    path = exported(tmp_path, "rtdetr-resnet50.yaml", images, imgsz=SQUARE, **options)
    done = imported(tmp_path, path, images, size=(SQUARE, SQUARE))
    assert done.inspected.head == "rtdetr"
    assert done.package.manifest.input.dynamic_batch == bool(options)
    predictor = RTDETRPredictor(overrides={"conf": CONFIDENCE, "max_det": 300})
    predictor.batch = ([""] * IMAGES, None, None)
    predictor.model = type("Names", (), {"names": dict(enumerate(done.package.labels))})()
    theirs = predictor.postprocess(raw_output(path, images), None, list(images))
    found = rows_of(done.package, images, 1)
    wanted = [one.boxes.data.numpy() for one in theirs]
    count, farthest = compare(found, wanted, (SQUARE, SQUARE))
    record_property("rows", f"{count} rows, farthest {farthest:.2g}")
    assert farthest < 1e-3
    assert count > 5 * IMAGES


@pytest.mark.parametrize(
    ("cfg", "says"),
    [
        ("yolov8n-seg.yaml", "the task segment, which is about masks"),
        ("yolov8n-pose.yaml", "the task pose, which is about key points"),
        ("yolov8n-obb.yaml", "the task obb, which is about rotated boxes"),
        ("yolov8n-cls.yaml", "the task classify, which is about whole images"),
    ],
)
def test_an_export_for_another_task_is_refused(tmp_path, cfg, says):
    images = images_of(64, 64)
    path = exported(tmp_path, cfg, images, imgsz=64)
    with pytest.raises(ModelError, match=says):
        imported(tmp_path, path, images)
    assert not (tmp_path / "packages").exists()


def test_a_checkpoint_becomes_an_export_in_a_process_of_its_own(tmp_path):
    from model_tools.importing.exporting import export_checkpoint

    network = ultralytics.YOLO("yolov8n.yaml")
    sharpened(network, images_of(HEIGHT, WIDTH))
    network.save(str(tmp_path / "best.pt"))
    out = tmp_path / "best.onnx"
    export_checkpoint("street", tmp_path / "best.pt", out, (WIDTH, HEIGHT))
    done = imported(tmp_path, out, images_of(HEIGHT, WIDTH))
    assert done.inspected.head == "yolo"
    assert (done.package.manifest.input.width, done.package.manifest.input.height) == (
        WIDTH,
        HEIGHT,
    )
    assert "AGPL" in done.package.manifest.licence
