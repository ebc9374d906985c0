"""What there is to know of every rule, made from the registry: for the API, the command line, docs.

Nothing is written down twice: kinds, places and parameters are those that the rule runs with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipelines.rules.rule import MeasureParameters, RuleType
from pipelines.rules.sets import RULE_SETS

UNITS: Final[Mapping[str, str]] = {
    "_per_m2": "1/m2",
    "_per_min": "1/min",
    "_per_s": "1/s",
    "_m2": "m2",
    "_mps": "m/s",
    "_kmh": "km/h",
    "_deg": "degrees",
    "_heights": "heights",
    "_share": "1",
    "_factor": "1",
    "_ratio": "1",
    "_min": "min",
    "_m": "m",
    "_s": "s",
}
"""Unit of a number by the end of its name, longer ones first; `1` for shares and counts.

A field whose name says something else has `json_schema_extra={"unit": ...}`.
"""

NUMBERS: Final = ("number", "integer")
BOUNDS: Final = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """One parameter of a rule.

    Attributes:
        type: `number`, `integer`, `boolean`, `string`, `array` or `duration`.
        default: As JSON has it.
        unit: Unit of a number, `1` for counts and shares; empty for what is none.
        bounds: Limits of a number by the words of JSON Schema: `minimum`, `exclusiveMaximum`.
        choices: The words that may be given; empty where any may.
    """

    name: str
    type: str
    default: Any
    unit: str
    bounds: Mapping[str, float]
    choices: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class RuleDescription:
    """One version of one kind of rule.

    Attributes:
        kind: `traffic.congestion`.
        version: Version of it.
        is_newest: Whether there is no newer one.
        task: The task that it belongs to.
        summary: What it finds, in a sentence.
        places: Where it works, in words.
        needs_ground: Whether it works on calibrated cameras only.
        signals: What it needs beside tracks.
        measures: Kinds of the measurements that it publishes.
        sets: Rule sets that contain this version.
        parameters: In the order of the rule.
    """

    kind: str
    version: str
    is_newest: bool
    task: str
    summary: str
    places: str
    needs_ground: bool
    signals: tuple[str, ...]
    measures: tuple[str, ...]
    sets: tuple[str, ...]
    parameters: tuple[ParameterDescription, ...]


def described(rule: RuleType[Any], *, is_newest: bool) -> RuleDescription:
    """Describes one version of a rule."""
    sets = (
        name
        for name, rules in RULE_SETS.items()
        if (rule.kind, rule.version) in {(one.kind, one.version) for one in rules}
    )
    return RuleDescription(
        rule.kind,
        rule.version,
        is_newest,
        rule.task,
        _summary(rule),
        rule.places,
        rule.needs_ground,
        tuple(sorted(rule.signals)),
        rule.measures,
        tuple(sorted(sets)),
        tuple(_parameters(rule.Parameters)),
    )


def _summary(rule: RuleType[Any]) -> str:
    """The first sentence of the module that the rule is in, without its name."""
    text = (sys.modules[rule.Parameters.__module__].__doc__ or "").strip().split("\n\n")[0]
    sentence = " ".join(text.split())
    _, colon, rest = sentence.partition(f"`{rule.kind}`: ")
    text = rest if colon else sentence
    return f"{text[:1].upper()}{text[1:]}"


def _parameters(parameters: type[MeasureParameters]) -> Iterable[ParameterDescription]:
    schema = parameters.model_json_schema()
    defaults = parameters().model_dump(mode="json")
    for name, written in schema.get("properties", {}).items():
        said = _plain(written, schema.get("$defs", {}))
        type_ = "duration" if said.get("format") == "duration" else said.get("type", "string")
        bounds = {word: float(said[word]) for word in BOUNDS if word in said}
        choices = tuple(map(str, said.get("enum") or said.get("items", {}).get("enum") or ()))
        yield ParameterDescription(
            name,
            type_,
            defaults[name],
            str(written.get("unit", "")) or _unit(name, type_),
            bounds,
            choices,
            written.get("description", ""),
        )


def _plain(said: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a value, where it may be null or is named elsewhere."""
    for one in (said, *said.get("anyOf", ())):
        if "$ref" in one:
            found: Mapping[str, Any] = known[one["$ref"].rpartition("/")[2]]
            return found
        if one.get("type", "null") != "null":
            return dict(one)
    return said


def _unit(name: str, type_: str) -> str:
    if type_ == "duration":
        return "s"
    if type_ not in NUMBERS:
        return ""
    found = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
    return found or ("1" if type_ == "integer" else "")
