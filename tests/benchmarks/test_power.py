"""Power is what the kernel says, and nothing where it says nothing."""

from __future__ import annotations

import pytest

from benchmarks import power
from benchmarks.power import PowerMeter


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two packages, one of them with a part of its own, at a time that the test sets."""
    monkeypatch.setattr(power, "POWERCAP", tmp_path)
    now = [100.0]
    monkeypatch.setattr(power.time, "monotonic", lambda: now[0])
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("999999999\n", "ascii")
        say(tmp_path / name, 0)
    return tmp_path, now


def say(package, microjoules):
    (package / "energy_uj").write_text(f"{microjoules}\n", "ascii")


def test_packages_are_summed_and_their_parts_are_not(machine):
    folder, now = machine
    meter = PowerMeter()
    now[0] += 10
    say(folder / "intel-rapl:0", 500_000_000)
    say(folder / "intel-rapl:0:0", 400_000_000)
    say(folder / "intel-rapl:1", 100_000_000)
    assert meter.watts() == pytest.approx(60.0)


def test_a_counter_that_begins_anew_is_followed(machine):
    folder, now = machine
    say(folder / "intel-rapl:0", 900_000_000)
    meter = PowerMeter()
    now[0] += 1
    say(folder / "intel-rapl:0", 50_000_000)
    assert meter.watts() == pytest.approx(150.0)


def test_a_machine_that_says_nothing_has_no_watts(machine):
    folder, now = machine
    for package in folder.iterdir():
        (package / "energy_uj").unlink()
    meter = PowerMeter()
    now[0] += 1
    assert meter.watts() is None
