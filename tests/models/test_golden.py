"""Golden images: what agrees, what does not, and files that are not what they seem."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from models.detector import Detector
from models.errors import PackageError
from models.golden import HALF, LOOSE, QUANTISED, STRICT, GoldenSet, disagreement
from tests.models.tiny import SIZE, random_images, tiny_package

ROWS = np.array(
    [
        [10, 10, 40, 40, 0.90, 0],
        [12, 10, 42, 40, 0.60, 1],
        [50, 20, 80, 60, 0.55, 0],
        [52, 22, 82, 62, 0.54, 0],
        [5, 50, 9, 56, 0.30, 2],
        [70, 2, 90, 12, 0.22, 1],
        [0, 0, 8, 8, 0.04, 2],
        [0, 0, 0, 0, 0, 0],
    ],
    np.float32,
)
LEVELS = {"strict": STRICT, "loose": LOOSE, "half": HALF, "int8": QUANTISED}


@pytest.fixture
def golden() -> GoldenSet:
    return GoldenSet(random_images(3), np.stack([ROWS, ROWS[::-1], ROWS]))


def changed(rows: np.ndarray = ROWS, **columns: object) -> np.ndarray:
    """The rows with columns replaced: `changed(score=...)`."""
    result = rows.copy()
    for name, value in columns.items():
        result[:, {"x1": 0, "y1": 1, "x2": 2, "y2": 3, "score": 4, "label": 5}[name]] = value
    return result


def shifted(pixels: float) -> np.ndarray:
    rows = ROWS.copy()
    rows[:-1, [0, 2]] += pixels
    return rows


@pytest.mark.parametrize("tolerance", LEVELS.values(), ids=LEVELS)
def test_the_same_rows_agree_in_any_order(tolerance):
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(ROWS))
        assert disagreement(ROWS[order], ROWS, tolerance) == ""


@pytest.mark.parametrize("tolerance", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize(
    ("found", "says"),
    [
        (np.zeros_like(ROWS), "is missing"),
        (changed(label=(ROWS[:, 5] + 1) % 3), "is missing"),
        (changed(score=np.nan), "not finite"),
        (changed(x1=np.inf), "not finite"),
        (shifted(30), "off|missing"),
        (changed(score=ROWS[:, 4] / 3), "score .* off|missing"),
        (np.tile(ROWS[:1], (8, 1)), "missing|not among"),
        (changed(x1=ROWS[:, 1], y1=ROWS[:, 0], x2=ROWS[:, 3], y2=ROWS[:, 2]), "off|missing"),
        (ROWS[:4], "has shape"),
    ],
    ids=[
        "zeros",
        "shuffled classes",
        "nan scores",
        "infinite boxes",
        "shifted",
        "faint",
        "one object for all",
        "x and y swapped",
        "fewer rows",
    ],
)
def test_nonsense_disagrees(found, says, tolerance):
    problem = disagreement(found, ROWS, tolerance)
    assert problem
    assert [one for one in says.split("|") if all(w in problem for w in one.split(" .* "))]


@pytest.mark.parametrize("tolerance", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("seed", range(20))
def test_random_rows_disagree(tolerance, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (8, 2))
    columns = [low, low + rng.uniform(4, 36, (8, 2)), rng.uniform(0, 1, (8, 1))]
    found = np.concatenate([*columns, rng.integers(0, 3, (8, 1))], axis=1).astype(np.float32)
    assert disagreement(found, ROWS, tolerance)


@pytest.mark.parametrize(
    ("tolerance", "good", "bad"),
    [(STRICT, 0.009, 0.02), (LOOSE, 1.9, 2.5), (HALF, 3.9, 5.0), (QUANTISED, 3.9, 9.0)],
    ids=LEVELS,
)
def test_boxes_may_move_by_the_tolerance(tolerance, good, bad):
    assert disagreement(shifted(good), ROWS, tolerance) == ""
    assert disagreement(shifted(bad), ROWS, tolerance)


def test_a_distance_is_given_with_numbers():
    problem = disagreement(shifted(0.5), ROWS, STRICT)
    assert problem == (
        "image 0: the box of class 0 with score 0.900 at [10, 10, 40, 40] is 0.5 px off, "
        "0.01 may be"
    )


def test_the_image_that_differs_is_named(golden):
    found = golden.rows.copy()
    found[1, -1, 4] = 0.5
    assert disagreement(found, golden.rows, STRICT).startswith("image 1: the score of class 0")


def test_rows_below_min_score_do_not_count():
    found = ROWS.copy()
    found[6] = 0
    assert disagreement(found, ROWS, STRICT) == ""
    found[5] = 0
    assert "class 1 with score 0.220 at [70, 2, 90, 12] is missing" in disagreement(
        found, ROWS, STRICT
    )


def test_a_row_at_min_score_finds_its_partner_just_below_it():
    wanted = changed(score=[0.9, 0.6, 0.55, 0.54, 0.0501, 0, 0, 0])
    found = changed(score=[0.9, 0.6, 0.55, 0.54, 0.0499, 0, 0, 0])
    assert disagreement(found, wanted, STRICT) == ""
    assert disagreement(wanted, found, STRICT) == ""


def test_int8_may_lose_a_few_objects_of_low_confidence_and_no_confident_one():
    many = np.concatenate([ROWS[:3], np.tile(ROWS[4:5], (6, 1))])
    many[3:, [0, 2]] += np.arange(6)[:, None] * 12
    lost = many.copy()
    lost[[3, 5]] = 0
    assert disagreement(lost, many, QUANTISED) == ""
    assert "image 0: class 2" in disagreement(lost, many, STRICT)
    lost[4] = 0
    assert disagreement(lost, many, QUANTISED) == (
        "3 of 6 objects of low confidence are missing or moved, 2 may be"
    )
    lost = many.copy()
    lost[2] = 0
    assert "class 0 with score 0.550" in disagreement(lost, many, QUANTISED)


def test_a_new_object_disagrees():
    found = ROWS.copy()
    found[-1] = [60, 40, 90, 60, 0.7, 1]
    assert "class 1 with score 0.700 at [60, 40, 90, 60] is not among the golden rows" in (
        disagreement(found, ROWS, QUANTISED)
    )


def test_the_last_row_of_a_full_table_may_be_another_near_equal_object():
    full = ROWS[:6]
    other = full.copy()
    other[5] = [30, 30, 35, 35, 0.2201, 2]
    assert disagreement(other, full, STRICT) == ""
    other[5, 4] = 0.25
    assert disagreement(other, full, STRICT)


def test_golden_rows_of_low_scores_are_still_compared():
    faint = changed(score=ROWS[:, 4] / 25)
    assert disagreement(faint, faint, STRICT) == ""
    assert "is missing" in disagreement(np.zeros_like(faint), faint, STRICT)


def test_thin_boxes_agree_with_themselves():
    thin = np.array([[5, 5, 5, 30, 0.8, 0], [9, 9, 9.001, 9.001, 0.7, 1]], np.float32)
    found = thin + np.array([1e-5, 1e-5, 1e-5, 1e-5, 0, 0], np.float32)
    assert disagreement(found, thin, STRICT) == ""


def test_a_real_model_agrees_with_itself_and_not_with_another(tmp_path):
    images = random_images(6)
    one = Detector(tiny_package(tmp_path, version="1", seed=1)).run(images)
    other = Detector(tiny_package(tmp_path, version="2", seed=2)).run(images)
    for tolerance in LEVELS.values():
        assert disagreement(one, one, tolerance) == ""
        assert disagreement(other, one, tolerance)


def test_a_set_survives_its_file(tmp_path, golden):
    golden.save(tmp_path / "golden.npz")
    read = GoldenSet.load(tmp_path / "golden.npz")
    assert np.array_equal(read.images, golden.images)
    assert np.array_equal(read.rows, golden.rows)
    assert len(read) == 3
    assert read.shows_something
    first = (tmp_path / "golden.npz").read_bytes()
    golden.save(tmp_path / "golden.npz")
    assert (tmp_path / "golden.npz").read_bytes() == first


def test_empty_rows_show_nothing(golden):
    assert not GoldenSet(golden.images, np.zeros_like(golden.rows)).shows_something


@pytest.mark.parametrize(
    ("images", "rows"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 5, 6), np.float32)),
        (np.zeros((2, 8, 8), np.uint8), np.zeros((2, 5, 6), np.float32)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 5, 6), np.float32)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 5, 7), np.float32)),
        (np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 5, 6), np.float32)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 5, 6), np.nan, np.float32)),
    ],
)
def test_arrays_that_do_not_line_up_make_no_set(images, rows):
    with pytest.raises(ValueError, match=r"must be|there are|not finite"):
        GoldenSet(images, rows)


def entry(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def header(shape: str, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(f"{name}.npy", content)
    return stream.getvalue()


class Bomb:
    """An object that writes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


IMAGES = entry(np.zeros((2, SIZE[1], SIZE[0], 3), np.uint8))
TABLES = entry(np.zeros((2, 5, 6), np.float32))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no arrays"),
        (b"not an archive", "holds no arrays"),
        (archive(pictures=IMAGES, rows=TABLES)[:-30], "holds no arrays"),
        (archive(pictures=IMAGES), "must hold pictures.npy and rows.npy"),
        (archive(pictures=IMAGES, rows=TABLES, more=TABLES), "must hold"),
        (archive(pictures=IMAGES, rows=IMAGES), "rows.npy holds uint8 values"),
        (archive(pictures=header("(900000, 640, 640, 3)"), rows=TABLES), "declares 1105920000000"),
        (archive(pictures=header("(-1, 640, 640, 3)"), rows=TABLES), "declares -"),
        (archive(pictures=header("(2, 64, 96, 3)"), rows=TABLES), "ends after 0 of 36864 bytes"),
        (archive(pictures=header("(" * 900 + ")" * 900), rows=TABLES), "holds no arrays"),
        (archive(pictures=IMAGES, rows=entry(np.zeros((3, 5, 6), np.float32))), "2 images"),
    ],
)
def test_a_file_that_is_no_golden_set_is_refused(tmp_path, content, says):
    path = tmp_path / "golden.npz"
    path.write_bytes(content)
    with pytest.raises(PackageError, match=says) as caught:
        GoldenSet.load(path)
    assert caught.value.file == path
    assert "\n" not in str(caught.value)


def test_objects_in_a_file_are_not_unpickled(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(TypeError), pickle.loads(pickle.dumps(Bomb(str(trap)))) as proof:
        proof.write(1)
    trap.unlink()
    objects = np.array([Bomb(str(trap))], object)
    path = tmp_path / "golden.npz"
    path.write_bytes(archive(pictures=entry(objects, allow_pickle=True), rows=TABLES))
    with pytest.raises(PackageError, match=r"pictures\.npy holds object values"):
        GoldenSet.load(path)
    assert not trap.exists()


def test_a_large_or_missing_file_is_named(tmp_path):
    path = tmp_path / "golden.npz"
    with pytest.raises(PackageError, match="is missing; import the model again"):
        GoldenSet.load(path)
    with path.open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)
    with pytest.raises(PackageError, match="more than 134217728; use fewer images"):
        GoldenSet.load(path)
