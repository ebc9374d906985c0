"""`cityeye models eval`: the reference's metrics, in two formats, through the graph that serves."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import cityeye.cli
from cityeye.cli import main
from cityeye.model_evaluation import inferred_images
from model_tools.evaluation.datasets import read_dataset
from models.detector import Detector
from models.repository import BUILTIN_ROOT, ModelRepository
from simulation.scenes import LABELS, Sample, render_samples

MODEL = "traffic"
TWELVE = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
CATEGORY = {row: 90 - 7 * row for row in range(len(LABELS))}
"""Numbers that are neither those of the renderer nor those of a package, in another order."""


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """The process's logging belongs to pytest."""
    monkeypatch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """A wide crossroad and a tall road, so that letterboxing adds rows here and columns there."""
    wide = render_samples(range(1_000_800, 1_000_806), (1280, 720))
    tall = [
        Sample(one.image[:, :600], *_cut(one, 600))
        for one in render_samples(range(1_000_816, 1_000_820), (1280, 720))
    ]
    return [*wide, *tall]


def _cut(sample: Sample, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = np.minimum(sample.boxes, [width, 9999, width, 9999])
    kept = boxes[:, 2] - boxes[:, 0] >= 4
    return boxes[kept].astype(np.float32), sample.class_ids[kept], sample.ignore[kept]


@pytest.fixture(scope="module")
def data(samples, tmp_path_factory) -> Path:
    """`square/`, a YOLO folder; `coco.json` with the same objects; `crowds.json` with all."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "labels"):
        (folder / "square" / name).mkdir(parents=True)
    for index, one in enumerate(samples):
        image = folder / "square" / "images" / f"{index:02}.png"
        cv2.imwrite(str(image), one.image[..., ::-1])
        height, width, _ = one.image.shape
        lines = []
        for (x1, y1, x2, y2), label in zip(one.boxes, one.class_ids, strict=True):
            shares = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
            sides = (x2 - x1) / width, (y2 - y1) / height
            lines.append(" ".join([str(label), *(f"{value:.9f}" for value in (*shares, *sides))]))
        (folder / "square" / "labels" / f"{index:02}.txt").write_text("\n".join(lines), "utf-8")
    names = ", ".join(LABELS)
    (folder / "square" / "data.yaml").write_text(f"names: [{names}]\nval: images\n", "utf-8")
    for file, crowds in (("coco.json", False), ("crowds.json", True)):
        (folder / file).write_text(json.dumps(document(samples, crowds=crowds)), "utf-8")
    return folder


def document(samples: Sequence[Sample], *, crowds: bool) -> dict[str, Any]:
    """The same in COCO's form; images are listed backwards, ids go forwards."""
    annotations: list[dict[str, Any]] = []
    for index, one in enumerate(samples):
        for row, (x1, y1, x2, y2) in enumerate(one.boxes.tolist()):
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 100,
                    "category_id": CATEGORY[int(one.class_ids[row])],
                    "bbox": box,
                    "area": box[2] * box[3] * (0.5 if crowds else 1.0),
                    "iscrowd": int(crowds and one.ignore[row]),
                }
            )
    return {
        "images": [
            {
                "id": index + 100,
                "file_name": f"{index:02}.png",
                "width": one.image.shape[1],
                "height": one.image.shape[0],
            }
            for index, one in reversed(list(enumerate(samples)))
        ],
        "categories": [{"id": CATEGORY[row], "name": LABELS[row]} for row in CATEGORY],
        "annotations": annotations,
    }


def evaluated(folder: Path, *arguments: str | Path) -> dict[str, Any]:
    """What `--json` writes."""
    file = folder / "out.json"
    content = [str(one) for one in (*arguments, "--provider", "cpu", "--json", file)]
    assert main(["models", "eval", *content]) == 0
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def rows_of(detector: Detector, samples: Sequence[Sample]) -> Iterator[np.ndarray]:
    """(M, 6) of each image, in its own pixels, with a letterbox written apart from the code's."""
    wanted = detector.package.manifest.input
    batch = np.full((len(samples), wanted.height, wanted.width, 3), 114, np.uint8)
    offsets, scales = [], []
    for one, canvas in zip(samples, batch, strict=True):
        height, width, _ = one.image.shape
        scale = min(wanted.width / width, wanted.height / height)
        across, down = 2 * round(width * scale / 2), 2 * round(height * scale / 2)
        left, top = (wanted.width - across) // 2, (wanted.height - down) // 2
        content = cv2.resize(one.image, (across, down), interpolation=cv2.INTER_AREA)
        canvas[top : top + down, left : left + across] = content
        offsets.append([left, top] * 2)
        scales.append([across / width, down / height] * 2)
    for rows, offset, scale, one in zip(detector.run(batch), offsets, scales, samples, strict=True):
        used = rows[rows[:, 4] > 0].astype(np.float64)
        height, width, _ = one.image.shape
        used[:, :4] = np.clip((used[:, :4] - offset) / scale, 0, [width, height] * 2)
        yield used


def reference(file: Path, samples: Sequence[Sample], detector: Detector) -> COCOeval:
    """pycocotools on the same file, for the classes of the package only."""
    labels = detector.package.labels
    results = [
        {
            "image_id": index + 100,
            "category_id": CATEGORY[LABELS.index(labels[int(row)])],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for index, rows in enumerate(rows_of(detector, samples))
        for x1, y1, x2, y2, score, row in rows.tolist()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        expected = COCOeval(truth, truth.loadRes(results), "bbox")
        expected.params.catIds = [CATEGORY[LABELS.index(label)] for label in labels]
        expected.evaluate()
        expected.accumulate()
        expected.summarize()
    return expected


@pytest.mark.parametrize("name", ["coco.json", "crowds.json"])
def test_the_metrics_are_those_of_the_reference(tmp_path, data, samples, name):
    found = evaluated(
        tmp_path, MODEL, "--data", data / name, "--images", data / "square" / "images"
    )
    detector = Detector(ModelRepository(BUILTIN_ROOT).find(MODEL))
    labels = detector.package.labels
    expected = reference(data / name, samples, detector)
    wanted = dict(zip(TWELVE, np.where(expected.stats < 0, np.nan, expected.stats), strict=True))
    means = {name: np.nan if value is None else value for name, value in found["means"].items()}
    assert means == pytest.approx(wanted, abs=1e-6, nan_ok=True)
    assert means["ap50"] > 0.6
    precision = expected.eval["precision"]
    places = np.unique([CATEGORY[LABELS.index(label)] for label in labels]).tolist()
    for one in found["classes"]:
        place = places.index(CATEGORY[LABELS.index(one["label"])])
        assert one["metrics"]["ap50"] == pytest.approx(
            precision[0, :, place, 0, 2].mean(), abs=1e-6
        )
    assert sum(one["objects"] for one in found["classes"]) == found["objects"] > 100


def test_both_formats_give_the_same_metrics(tmp_path, data):
    coco = evaluated(
        tmp_path, f"{MODEL}@1", "--data", data / "coco.json", "--images", data / "square/images"
    )
    yolo = evaluated(tmp_path, f"{MODEL}/1", "--data", data / "square", "--threads", "2")
    assert (coco["data"], coco["form"], coco["threads"]) == ("coco", "coco", 1)
    assert (yolo["data"], yolo["form"], yolo["threads"]) == ("square", "yolo", 2)
    assert coco["images"] == yolo["images"] == 10
    assert coco["means"] == pytest.approx(yolo["means"], abs=1e-6)
    for one, other in zip(coco["classes"], yolo["classes"], strict=True):
        assert one["objects"] == other["objects"]
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-6)
        assert one["at_threshold"] == pytest.approx(other["at_threshold"], abs=1e-6)
        assert one["best"] == pytest.approx(other["best"], abs=1e-4)
    assert coco["left_out"] == ["bag", "bottle", "bin_bag"]
    assert (coco["model"], coco["provider"], coco["threshold"]) == ("traffic/1", "cpu", 0.35)
    assert coco["unlabelled"] == []


def test_more_images_than_a_batch_holds_are_all_inferred_in_their_order(data):
    detector = Detector(ModelRepository(BUILTIN_ROOT).find(MODEL))
    assert detector.package.manifest.input.max_batch < 20
    images = read_dataset(data / "square", detector.package.labels).images
    inferred = list(inferred_images(detector, [*images, *images]))
    assert len(inferred) == 20
    for (seen, real), (again, same) in zip(inferred[:10], inferred[10:], strict=True):
        np.testing.assert_allclose(seen.scores, again.scores, atol=1e-4)
        assert real.boxes.tolist() == same.boxes.tolist()


def test_a_person_reads_what_was_inferred_and_what_was_not(capsys, data, tmp_path):
    found = evaluated(tmp_path, MODEL, "--data", data / "square")
    lines = capsys.readouterr().out.splitlines()
    sha256 = ModelRepository(BUILTIN_ROOT).find(MODEL).manifest.sha256
    assert lines[0] == (
        f"traffic/1 (sha256 {sha256[:12]}, fp32) on cpu with 1 thread: "
        f"10 images of square (yolo), {found['objects']} objects"
    )
    assert lines[1] == "classes of the data that are left out: bag, bottle, bin_bag"
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:] if line.strip()}
    car = found["classes"][0]
    assert rows["car"] == [
        str(car["objects"]),
        *(f"{car['metrics'][name]:.3f}" for name in ("ap", "ap50", "ap75", "ar100")),
        f"{car['at_threshold']['threshold']:g}",
        f"{car['at_threshold']['precision']:.3f}",
        f"{car['at_threshold']['recall']:.3f}",
        f"{f1(car['at_threshold']):.3f}",
        f"{car['best']['threshold']:.3f}",
    ]
    assert rows["mean"][1] == f"{found['means']['ap']:.3f}"
    assert rows["small,"][-2] == f"{found['means']['ap_small']:.3f}"


def test_a_map_says_which_class_is_which(tmp_path, data):
    foreign = json.loads((data / "coco.json").read_text("utf-8"))
    for one in foreign["categories"]:
        one["name"] = f"a {one['name']} perhaps"
    (tmp_path / "foreign.json").write_text(json.dumps(foreign), "utf-8")
    (tmp_path / "map.yaml").write_text("A car perhaps: car\na bus perhaps: null\n", "utf-8")
    there = ("--images", data / "square" / "images")
    mapped = evaluated(
        tmp_path,
        *(MODEL, "--data", tmp_path / "foreign.json", *there, "--map", tmp_path / "map.yaml"),
    )
    plain = evaluated(tmp_path, MODEL, "--data", data / "coco.json", *there)
    assert mapped["classes"] == plain["classes"][:1]
    assert mapped["unlabelled"] == ["bus", "truck", "motorcycle", "bicycle", "person"]
    assert "a bus perhaps" in mapped["left_out"]


def test_a_class_without_objects_has_no_metrics(capsys, tmp_path, data):
    content = json.loads((data / "coco.json").read_text("utf-8"))
    bus = CATEGORY[LABELS.index("bus")]
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] != bus]
    file = tmp_path / "busless.json"
    file.write_text(json.dumps(content), "utf-8")
    found = evaluated(tmp_path, MODEL, "--data", file, "--images", data / "square" / "images")
    (one,) = [one for one in found["classes"] if one["label"] == "bus"]
    assert set(one["metrics"].values()) == {None}
    assert " bus 0 - - - - 0.35 - - - - " in " ".join(capsys.readouterr().out.split())


def f1(point: dict[str, float]) -> float:
    return 2 * point["precision"] * point["recall"] / (point["precision"] + point["recall"])


def test_thresholds_are_suggested_where_the_images_say_enough(capsys, tmp_path, data, samples):
    there = ("--data", data / "crowds.json", "--images", data / "square" / "images")
    found = evaluated(tmp_path, MODEL, *there, "--suggest-thresholds")
    said = capsys.readouterr().out
    known = {one["label"]: one for one in found["suggested"]}
    assert list(known) == [one["label"] for one in found["classes"]]
    for one in found["classes"]:
        suggestion = known[one["label"]]
        assert suggestion["objects"] == one["objects"]
        assert suggestion["present"] == pytest.approx(one["at_threshold"])
        if suggestion["reason"]:
            assert f"{one['label']} keeps its threshold: {suggestion['reason']}" in said
            assert suggestion["suggested"]["threshold"] is None
        else:
            assert f1(suggestion["suggested"]) > f1(suggestion["present"])
    few = known["motorcycle"]
    assert few["objects"] < 30
    assert few["reason"].startswith(f"too few: {few['objects']} objects on ")
    snippet = yaml.safe_load(said[said.index("thresholds:\n") :])
    wanted = {k: v["suggested"]["threshold"] for k, v in known.items() if not v["reason"]}
    assert snippet == {"thresholds": {"default": 0.35, "classes": wanted}}


@pytest.mark.parametrize("option", ["--new-version", "--precision=0.9"])
def test_what_goes_with_suggested_thresholds_does_not_go_alone(capsys, data, option):
    assert main(["models", "eval", MODEL, "--data", str(data / "square"), option]) == 1
    assert "go with --suggest-thresholds" in capsys.readouterr().err


def test_what_is_kept_is_shown_with_the_version(capsys, tmp_path, data):
    version = tmp_path / "packages" / MODEL / "1"
    shutil.copytree(BUILTIN_ROOT / MODEL / "1", version)
    odd = tmp_path / ".. odd näme [red]"
    shutil.copytree(data / "square", odd)
    place = ("--path", str(tmp_path / "packages"))
    found = evaluated(tmp_path, MODEL, "--data", odd, "--keep", *place)
    kept = version / "evaluations" / "odd-n-me-red-.json"
    assert json.loads(kept.read_text("utf-8")) == found
    assert capsys.readouterr().out.endswith(f"kept in {kept}\n")
    (version / "evaluations" / "broken.json").write_text("{", "utf-8")
    assert main(["models", "show", MODEL, *place]) == 0
    means = found["means"]
    line = f"\non .. odd näme [red]: AP {means['ap']:.3f}, AP50 {means['ap50']:.3f}, AP75 "
    assert line in capsys.readouterr().out
    target = tmp_path / "published"
    assert main(["models", "push", f"{MODEL}@1", *place, "--to", str(target)]) == 0
    assert (target / MODEL / "1" / "evaluations" / kept.name).is_file()


def test_nothing_is_kept_through_a_link(capsys, tmp_path, data):
    version = tmp_path / "packages" / MODEL / "1"
    shutil.copytree(BUILTIN_ROOT / MODEL / "1", version)
    (tmp_path / "elsewhere").mkdir()
    (version / "evaluations").symlink_to(tmp_path / "elsewhere")
    place = ("--path", str(tmp_path / "packages"))
    assert main(["models", "eval", MODEL, "--data", str(data / "square"), "--keep", *place]) == 1
    assert "evaluations: is a symbolic link; remove it" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "gone.json"], "cityeye: gone.json: is not there; give --data a COCO file"),
        (["--data", "broken"], "broken/images/00.png is not a readable image; remove it or"),
        (["--data", "other.json"], "images/00.png: has 1280x720 pixels, its labels are for 1x1; "),
        (["--data", "broken", "--map", "gone.yaml"], "gone.yaml cannot be read"),
    ],
)
def test_mistakes_are_reported_in_one_sentence(
    capsys, tmp_path, monkeypatch, data, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(data / "square", "broken")
    (tmp_path / "broken" / "images" / "00.png").write_bytes(b"no image")
    shutil.copytree(data / "square" / "images", "images")
    other = json.loads((data / "coco.json").read_text("utf-8"))
    other["images"][-1].update(width=1, height=1)
    Path("other.json").write_text(json.dumps(other), "utf-8")
    assert main(["models", "eval", MODEL, *arguments]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
