"""Frame ages from what the server sent and what a contestant noted, over the seams of a clip."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from benchmarks.street_log import (
    RESULTS_SUFFIX,
    UNREADABLE,
    FrameLog,
    frame_ages,
    read_log,
    read_results,
    result_log,
)

FRAMES, PERIOD_S = 10, 0.1


@pytest.fixture
def sent(tmp_path):
    """Two cameras play a clip of ten frames three times; the second one 0.03 s later."""
    log = FrameLog(tmp_path / "sent")
    for index in range(3 * FRAMES):
        log.note(0, index % FRAMES, 100 + index * PERIOD_S)
        log.note(1, index % FRAMES, 100.03 + index * PERIOD_S)
    return read_log(tmp_path / "sent")


def noted(folder, *records):
    log = result_log(folder)
    for record in records:
        log.note(*record)
    return read_results(folder)


def test_ages_count_from_the_last_sending_of_the_frame_of_that_camera(sent, tmp_path):
    # Frame 4 of camera 0 in the first and the third round, frame 9 over the seam, camera 1.
    results = noted(tmp_path, (0, 4, 100.45), (0, 4, 102.42), (0, 9, 102.05), (1, 0, 100.04))
    ages = frame_ages(sent, results)
    assert sorted(ages.ages_s) == pytest.approx([0.01, 0.02, 0.05, 0.15])
    assert ages.unreadable == 0
    assert ages.percentile_ms(100) == pytest.approx(150)


def test_unreadable_stamps_and_frames_that_were_never_sent_are_counted(sent, tmp_path):
    results = noted(tmp_path, (0, None, 101.0), (0, 77, 101.0), (1, 3, 99.0), (7, 1, 101.0))
    ages = frame_ages(sent, results)
    assert len(ages.ages_s) == 0
    assert ages.unreadable == 4
    assert np.isnan(ages.percentile_ms(50))
    assert results["number"][0] == UNREADABLE


def test_logs_of_all_processes_are_read_at_any_depth(tmp_path):
    for name in ("a", "b/c"):
        (tmp_path / name).mkdir(parents=True)
        FrameLog(tmp_path / name / f"1{RESULTS_SUFFIX}").note(1, 2, 3.0)
    assert read_results(tmp_path).tolist() == [(1, 2, 3.0)] * 2


def test_a_record_that_is_being_written_is_left_out(tmp_path):
    FrameLog(tmp_path / "log").note(1, 2, 3.0)
    with (tmp_path / "log").open("ab") as file:
        file.write(b"half")
    assert read_log(tmp_path / "log").tolist() == [(1, 2, 3.0)]
    assert len(read_log(tmp_path / "none")) == 0


def test_threads_do_not_mix_their_records(tmp_path):
    log = FrameLog(tmp_path / "log")

    def write(camera):
        for number in range(500):
            log.note(camera, number, float(number))

    threads = [threading.Thread(target=write, args=(camera,)) for camera in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = read_log(tmp_path / "log")
    for camera in range(4):
        assert records[records["camera"] == camera]["number"].tolist() == list(range(500))
