"""Clips: plain H.264 with its truth beside it, made once."""

import pickle
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from simulation import clips, drawing
from simulation.clips import clip_path, encode_scene, ensure_clips, renderer_files, truth_path
from simulation.scenes import SCENES, Scene, read_truth, scene_named
from simulation.scenes.truth import truth


def short(name: str, clip_name: str) -> Scene:
    return replace(scene_named(name), name=clip_name, duration_s=3.2, size_px=(320, 180))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "park.mp4"
    encode_scene(short("park-bag", "park"), path, lambda scene, done, total: None)
    return path


def test_a_clip_is_plain_h264(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (320, 180)
        assert stream.average_rate == 12.5
    assert len(frames) == 40
    assert [f.key_frame for f in frames].count(True) == 2
    assert all(f.pict_type != PictureType.B for f in frames)


def test_the_decoded_image_is_the_drawn_one(clip: Path) -> None:
    drawn, _ = next(short("park-bag", "park").frames(short("park-bag", "park").view()))
    with av.open(str(clip)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(shown.astype(int) - drawn).mean() < 8


def test_the_truth_beside_a_clip_reads_back(clip: Path) -> None:
    scene = short("park-bag", "park")
    stored, fresh = read_truth(truth_path(clip)), truth(scene)
    assert stored.zones == fresh.zones
    assert stored.ground_points == fresh.ground_points
    assert stored.incidents == fresh.incidents
    assert stored.size_px == (320, 180)
    assert len(stored.frames) == 40
    for one, other in zip(stored.frames, fresh.frames, strict=True):
        assert one.boxes == pytest.approx(other.boxes, abs=0.06)
        assert np.array_equal(one.class_ids, other.class_ids)
        assert np.array_equal(one.keys, other.keys)
        assert np.array_equal(one.ignore, other.ignore)


def test_clips_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENES, "short-one", lambda: short("square-quiet", "short-one"))
    seen: list[tuple[str, int, int]] = []
    first = ensure_clips(["short-one"], tmp_path, lambda *report: seen.append(report))
    stamp = first["short-one"].stat().st_mtime_ns
    assert seen[0] == ("short-one", 0, 40)
    assert seen[-1] == ("short-one", 40, 40)
    seen.clear()
    again = ensure_clips(["short-one"], tmp_path, lambda *report: seen.append(report))
    assert again == first
    assert again["short-one"].stat().st_mtime_ns == stamp
    assert seen == [("short-one", 40, 40)]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".mp4"]


def test_a_failed_clip_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCENES, "short-two", lambda: short("square-quiet", "short-two"))

    def interrupt(scene: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_clips(["short-two"], tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_another_scene_has_another_path(tmp_path: Path) -> None:
    scene = scene_named("park-bag")
    assert clip_path(scene, tmp_path) != clip_path(replace(scene, fps=10.0), tmp_path)


def test_a_change_anywhere_in_the_renderer_draws_clips_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = renderer_files()
    assert Path(str(clips.__file__)) in files
    (folder,) = drawing.__path__
    assert set(Path(folder).rglob("*.py")) <= set(files)
    changed = tmp_path / files[-1].name
    changed.write_bytes(files[-1].read_bytes() + b"# another word\n")
    before = clip_path(scene_named("park-bag"), tmp_path)
    monkeypatch.setattr(clips, "renderer_files", lambda: [*files[:-1], changed])
    assert clip_path(scene_named("park-bag"), tmp_path) != before


def test_a_scene_is_drawn_anew_when_anything_in_it_changes(tmp_path: Path) -> None:
    scene = scene_named("park-bag")
    others = [
        replace(scene, disturbance="clouds"),
        replace(scene, light="night"),
        replace(scene, actors=scene.actors[1:]),
        replace(scene, incidents=()),
    ]
    assert len({clip_path(one, tmp_path) for one in (scene, *others)}) == 1 + len(others)
    as_elsewhere = pickle.loads(pickle.dumps(scene))
    assert clip_path(as_elsewhere, tmp_path) == clip_path(scene, tmp_path)
