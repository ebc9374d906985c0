"""What a place has learned is there after a restart, and only there."""

from __future__ import annotations

import pytest

from pipelines.place_memory import MAX_BYTES, PlaceMemory
from pipelines.rules.rule import LearningWatch, Rule
from tests.pipelines.synthetic import moment


class Learner:
    """Learns one number, and how old it is."""

    def __init__(self) -> None:
        self.known: object = None
        self.age_s = -1.0

    def observe(self, tracks, at, signals):
        raise AssertionError

    def close(self, reason, at):
        raise AssertionError

    def explain(self, at):
        return ()

    def remember(self, at):
        return {"known": self.known}

    def recall(self, memory, age_s, at) -> None:
        self.known, self.age_s = int(memory["known"]), age_s


def rule(**places: Learner) -> Rule:
    return Rule("traffic.learned", "1", frozenset(), places)


def test_each_place_gets_back_what_it_has_learned_itself(tmp_path):
    first, second = Learner(), Learner()
    assert isinstance(first, LearningWatch)
    first.known, second.known = 7, 8
    PlaceMemory(tmp_path / "places", "gate").save(rule(a=first, b=second).remember(moment(0)))
    memories, age_s = PlaceMemory(tmp_path / "places", "gate").load()
    again, moved = Learner(), Learner()
    rule(a=again, c=moved).recall(memories, age_s, moment(1))
    assert again.known == 7
    assert 0 <= again.age_s < 60
    assert moved.known is None, "another place is learned anew"
    assert PlaceMemory(tmp_path / "places", "other").load() == ({}, 0.0)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"camera": 3}', b" " * (MAX_BYTES + 1)])
def test_a_damaged_file_is_learned_anew_and_replaced(tmp_path, content, caplog):
    (tmp_path / "gate.json").write_bytes(content)
    memory = PlaceMemory(tmp_path, "gate")
    assert memory.load() == ({}, 0.0)
    assert "place_memory" in caplog.text
    memory.save({"traffic.learned/1 a": {"known": 3}})
    assert memory.load()[0] == {"traffic.learned/1 a": {"known": 3}}


def test_a_memory_that_means_nothing_is_left_out_and_the_rule_goes_on(tmp_path, caplog):
    known = Learner()
    rule(a=known).recall({"traffic.learned/1 a": {"known": "much"}}, 1.0, moment(0))
    assert known.known is None
    assert "rules.memory_unusable" in caplog.text


def test_a_disk_that_takes_nothing_costs_nothing_else(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    PlaceMemory(blocked, "gate").save({"traffic.learned/1 a": {"known": 3}})
    assert "place_memory.not_saved" in caplog.text


def test_where_nothing_is_learned_there_is_no_file(tmp_path):
    PlaceMemory(tmp_path, "gate").save(
        Rule("traffic.plain", "1", frozenset(), {}).remember(moment(0))
    )
    assert list(tmp_path.iterdir()) == []
