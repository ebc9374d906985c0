"""Labelled images: two formats, one meaning, and a sentence for every mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_tools.evaluation.datasets import read_dataset
from models.errors import DataError

LABELS = ("person", "bin_bag", "car")
WIDTH, HEIGHT = 200, 100


def coco(folder: Path, **changes: Any) -> Path:
    """Two images; the second by id is listed first and shows nothing."""
    document = {
        "images": [
            {"id": 9, "file_name": "b.jpg"},
            {"id": 4, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT},
        ],
        "categories": [
            {"id": 30, "name": "Bin-Bag"},
            {"id": 7, "name": "tree"},
            {"id": 2, "name": "person"},
        ],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 2, "bbox": [10, 20, 40, 30]},
            {"id": 2, "image_id": 4, "category_id": 7, "bbox": [0, 0, 5, 5]},
            {
                "id": 3,
                "image_id": 4,
                "category_id": 30,
                "bbox": [100, 50, 20, 10],
                "area": 120.5,
                "iscrowd": 1,
            },
        ],
        **changes,
    }
    for name in ("a.jpg", "b.jpg"):
        (folder / name).touch()
    file = folder / "some.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def changed(**annotation: Any) -> list[dict[str, Any]]:
    return [{"id": 1, "image_id": 4, "category_id": 2, "bbox": [1, 2, 3, 4], **annotation}]


def yolo(
    folder: Path, lines: str, data: str = "names: [tree, person, bin bag]\nval: images"
) -> Path:
    """Two images, one of them with a label file."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("a.jpg", "b.PNG"):
        (folder / "images" / name).touch()
    (folder / "labels" / "a.txt").write_text(lines, encoding="utf-8")
    (folder / "data.yaml").write_text(data, encoding="utf-8")
    return folder


BOXES = "1 0.15 0.35 0.2 0.3\n\n0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.6 0.5 0.6 0.6 0.55 0.58\n"


def test_coco_is_read_in_the_order_of_ids_and_the_numbering_of_the_package(tmp_path):
    data = read_dataset(coco(tmp_path), LABELS)
    assert (data.name, data.form) == ("some", "coco")
    assert [one.path.name for one in data.images] == ["a.jpg", "b.jpg"]
    first, second = (one.objects_in(WIDTH, HEIGHT) for one in data.images)
    assert first.boxes.tolist() == [[10, 20, 50, 50], [100, 50, 120, 60]]
    assert first.class_ids.tolist() == [0, 1]
    assert first.areas.tolist() == [1200, 120.5]
    assert first.crowd.tolist() == first.ignore.tolist() == [False, True]
    assert len(second) == 0
    assert data.classes.evaluated == (0, 1)
    assert (data.classes.left_out, data.classes.unlabelled) == (("tree",), ("car",))


def test_yolo_boxes_and_outlines_are_shares_of_the_image(tmp_path):
    data = read_dataset(yolo(tmp_path / "square", BOXES), LABELS)
    assert (data.name, data.form) == ("square", "yolo")
    first, second = (one.objects_in(WIDTH, HEIGHT) for one in data.images)
    np.testing.assert_allclose(first.boxes, [[10, 20, 50, 50], [100, 50, 120, 60]])
    assert first.class_ids.tolist() == [0, 1]
    np.testing.assert_allclose(first.areas, [1200, 200])
    assert not first.crowd.any()
    assert not first.ignore.any()
    assert len(second) == 0
    assert (data.classes.left_out, data.classes.unlabelled) == (("tree",), ("car",))


@pytest.mark.parametrize(
    "data",
    [
        "names: {0: tree, 1: person, 2: bin bag}\nval: images",
        "names: [tree, person, bin bag]\ntest: [images]",
        "names: [tree, person, bin bag]\nval: '../images'",
        "names: [tree, person, bin bag]\npath: /elsewhere/square\nval: ./images\ntest: nowhere",
        "names: [tree, person, bin bag]\npath: ../square\nval: images",
        "names: [tree, person, bin bag]\nval: list.txt",
        "names: [tree, person, bin bag]",
    ],
)
def test_a_yolo_folder_may_be_described_in_many_ways(tmp_path, data):
    folder = yolo(tmp_path / "square", BOXES, data)
    (folder / "list.txt").write_text("./images/b.PNG\nimages/a.jpg\n", encoding="utf-8")
    for place in (folder, folder / "data.yaml"):
        read = read_dataset(place, LABELS)
        assert [one.path.name for one in read.images] == ["a.jpg", "b.PNG"]
        assert read.images[0].objects.class_ids.tolist() == [0, 1]


def test_a_yolo_folder_may_have_plain_names_and_labels_beside_the_images(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    (tmp_path / "classes.txt").write_text("Car\n", encoding="utf-8-sig")
    data = read_dataset(tmp_path, LABELS)
    assert data.images[0].objects.class_ids.tolist() == [2]


def test_a_sparse_numbering_of_names_is_kept(tmp_path):
    data = read_dataset(yolo(tmp_path, "7 0.5 0.5 0.1 0.1\n", "names: {3: tree, 7: car}"), LABELS)
    assert data.images[0].objects.class_ids.tolist() == [2]


def test_coco_images_are_found_where_its_archives_have_them(tmp_path):
    for name in ("annotations", "val2017", "images"):
        (tmp_path / name).mkdir()
    file = coco(tmp_path / "annotations")
    file = file.rename(file.with_name("instances_val2017.json"))
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "annotations" / name).rename(tmp_path / "val2017" / name)
    assert read_dataset(file, LABELS).images[0].path.parent.name == "val2017"
    (tmp_path / "val2017").rename(tmp_path / "other")
    with pytest.raises(DataError, match=r"2 of 2 images are missing, the first is \S*a.jpg"):
        read_dataset(file, LABELS)
    data = read_dataset(file, LABELS, images=tmp_path / "other")
    assert data.images[0].path == tmp_path / "other" / "a.jpg"


def test_a_map_decides_alone(tmp_path):
    mapping = {"TREE": "car", "person": None}
    data = read_dataset(coco(tmp_path), LABELS, mapping)
    assert data.images[0].objects.class_ids.tolist() == [2]
    assert data.classes.left_out == ("Bin-Bag", "person")
    assert data.classes.unlabelled == ("person", "bin_bag")


def test_two_classes_of_the_data_may_be_one_of_the_model(tmp_path):
    data = read_dataset(coco(tmp_path), LABELS, {"tree": "person", "person": "person"})
    assert data.images[0].objects.class_ids.tolist() == [0, 0]
    assert data.classes.evaluated == (0,)


def test_labels_for_another_size_are_refused(tmp_path):
    data = read_dataset(coco(tmp_path), LABELS)
    with pytest.raises(DataError, match=r"a.jpg: has 100x200 pixels, its labels are for 200x100;"):
        data.images[0].objects_in(HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"peson": "person"}, "has no class 'peson', which the map names; did you mean person?"),
        (
            {"person": "pedestrian"},
            "makes 'person' a 'pedestrian', which is no class of the model; there are person,",
        ),
        ({"person": None}, "has no class of the model: its classes are Bin-Bag, tree, person, "),
    ],
)
def test_mistakes_in_a_map_are_reported(tmp_path, mapping, sentence):
    with pytest.raises(DataError, match=r"^\S*some.json: ") as caught:
        read_dataset(coco(tmp_path), LABELS, mapping)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"annotations": []}, "has no annotations; "),
        ({"images": []}, "lists no image; "),
        ({"annotations": changed(bbox=[1, 2, -3, 4])}, "annotations.0.bbox.2: Input should be"),
        ({"annotations": changed(bbox=[1, math.nan, 3, 4])}, "0.bbox.1: Input should be a finite"),
        ({"annotations": changed(bbox=[math.inf, 2, 3, 4])}, "0.bbox.0: Input should be a finite"),
        ({"annotations": changed(bbox=[1, 2, 3])}, "annotations.0.bbox.3: Field required"),
        ({"annotations": changed(area=-1)}, "annotations.0.area: Input should be greater"),
        ({"annotations": changed(category_id=3)}, "annotations.0 has the unknown category id 3; "),
        ({"annotations": changed(image_id=5)}, "annotations.0 has the unknown image id 5; "),
        ({"annotations": [{}, {}]}, "annotations.0.image_id: Field required (5 more like it); "),
        ({"categories": [{"id": 2, "name": "person"}] * 2}, "has the same category id twice; "),
        ({"images": [{"id": 4, "file_name": "a.jpg"}] * 2}, "has the same image id twice; "),
        ({"categories": [{"id": 2, "name": "dog"}]}, "its classes are dog, the model's are person"),
        ({"images": [{"id": 4, "file_name": "c.jpg"}]}, "1 of 1 images are missing, the first "),
        ({"images": [{"id": 4, "file_name": "../c.jpg"}]}, "names '../c.jpg', which is not inside"),
        ({"images": [{"id": 4, "file_name": "/etc/hosts"}]}, "names '/etc/hosts', which is not"),
        ({"images": [{"id": 4, "file_name": "a\0.jpg"}]}, r"names 'a\x00.jpg', which is not "),
    ],
)
def test_mistakes_in_coco_are_reported(tmp_path, changes, sentence):
    with pytest.raises(DataError, match=r"^\S*some.json: ") as caught:
        read_dataset(coco(tmp_path, **changes), LABELS)
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_coco_file_is_reported(tmp_path, content):
    file = tmp_path / "some.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"some.json: is no COCO file: .+; correct it"):
        read_dataset(file, LABELS)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1 0.5 0.5 0.1 -0.1", "has a box of negative size; "),
        ("1 0.5 0.5 0.1 nan", "holds a number that is not finite; "),
        ("inf 0.5 0.5 0.1 0.1", "holds a number that is not finite; "),
        ("person 0.5 0.5 0.1 0.1", "holds something else than numbers; "),
        ("3 0.5 0.5 0.1 0.1", "has class 3, which has no name; "),
        ("1.5 0.5 0.5 0.1 0.1", "has class 1.5, which has no name; "),
        ("1", "has 1 numbers; "),
        ("1 0.5 0.5 0.1", "has 4 numbers; "),
        ("1 0.5 0.5 0.1 0.1 0.9", "has 6 numbers; "),
        ("1 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "has 8 numbers; "),
        ("1 10 20 40 30", "has a number beyond 0 to 1; write shares of the image"),
        ("1 0.1 0.2 0.3 -0.4 0.5 0.6", "has a number beyond 0 to 1; "),
    ],
)
def test_mistakes_in_yolo_lines_are_reported_with_their_line(tmp_path, line, sentence):
    folder = yolo(tmp_path, f"1 0.5 0.5 0.1 0.1\n\n{line}\n")
    with pytest.raises(DataError, match=r"labels/a.txt:3: ") as caught:
        read_dataset(folder, LABELS)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("names: [tree]\n", "has no class of the model: its classes are tree, "),
        ("val: images\n", "data.yaml: names: Field required; correct it"),
        ("[names]\n", "data.yaml: names: Field required; correct it"),
        ("names: [yes]\n", "data.yaml: names: Input should be a valid string; correct it"),
        ("names: [", "is not YAML ("),
        ("a: &a [person]\nnames: *a\n", "is not YAML (it uses an alias"),
        ("names: [person]\nval: nowhere\n", "'nowhere' is not there inside "),
        ("names: [person]\nval: ../../outside\n", "'../../outside' is not there inside "),
        ("names: [person]\nval: /etc\n", "'/etc' is not there inside "),
        ("names: [person]\nval: labels\n", "lists no image; "),
        ("names: [person]\nval: list.txt\n", "1 of 1 images are missing, the first is "),
        ("names: [person]\nval: far.txt\n", "names '../../x.jpg', which is not inside "),
        ("names: [person]\nval: empty\n", "no image has labels, the first is "),
    ],
)
def test_mistakes_in_a_description_are_reported(tmp_path, data, sentence):
    (tmp_path / "outside").mkdir()
    folder = yolo(tmp_path / "a" / "b", BOXES, data)
    (folder / "list.txt").write_text("gone.jpg\n", encoding="utf-8")
    (folder / "far.txt").write_text("../../x.jpg\n", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "empty" / "c.jpg").touch()
    with pytest.raises(DataError) as caught:
        read_dataset(folder, LABELS)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(folder))


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = yolo(tmp_path / "square", BOXES)
    secret = tmp_path / "secret.jpg"
    secret.touch()
    (folder / "images" / "c.jpg").symlink_to(secret)
    with pytest.raises(DataError, match=r"names 'c.jpg', which is not inside"):
        read_dataset(folder, LABELS)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("gone.json", "is not there; give"), ("gone.yaml", "is not there; a YOLO"), ("", "data.yaml")],
)
def test_data_that_are_not_there_are_reported(tmp_path, place, sentence):
    with pytest.raises(DataError, match=sentence):
        read_dataset(tmp_path / place, LABELS)


def test_a_folder_of_images_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(DataError, match="gone: is no folder; give --images"):
        read_dataset(coco(tmp_path), LABELS, images=tmp_path / "gone")
