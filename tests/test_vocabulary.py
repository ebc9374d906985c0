"""What people read and search speaks the field's words: pages, help, APIs, metrics, log events.

The old words of this project are listed as regular expressions, what is ordinary English or a noun
of the design as named exemptions. All findings are reported at once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from cityeye.cli import PROGRAM, app
from cityeye.errors import OUR_PACKAGES
from tests.full_city import full_city

ROOT = Path(__file__).parents[1]
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
METHODS = {"get", "put", "post", "patch", "delete"}

OLD_WORDS = {
    "inference, infer, run": r"judg(e[sd]?|ing|e?ments?)|verdicts?|look(s|ed|ing)?",
    "image, keyframe": r"pictures?|stills|shots?|shoot(s|ing)?",
    "batch, in-flight batch": r"turns?|parcels?",
    "partition": r"lanes?",
    "report, say, give": r"tell(s|ing)?|told",
    "metrics, counters, latency": r"figures?|books?|how long",
    "confidence, threshold, min_score": r"sure|weak(er|est|ly)?|floor",
    "IoU, NMS IoU": r"overlap(s|ped|ping)?",
    "recorder": r"desks?",
    "verify": r"proofs?|prov(e[sdn]?|ing)|disproofs?",
    "recall, false-positive rate": r"found again",
    "parked-vehicle filter, owner tracker": r"kerbs?|attendances?",
    "worker slot, routing table, incarnation": r"posts?|fleets?|epochs?",
    "real time, no frame, int8 tolerance": r"speed of life|signs? of life|bears? (8 bits|int8)",
}
"""Old words by what to say instead."""

EXEMPTIONS = {
    "ordinary English": r"look at|look(s|ed)? (up|like)|make sure|turn(s|ed)? (on|off|into)"
    r"|in turns?|tell apart|told apart",
    "a road's lanes": r"(on|traffic|road|bus|cycle|driving) lanes?",
    "what operators see": r"picture evidence|(evidence|opening|peak|closing) pictures?",
    "a target of make": r"make prove",
    "HTTP": r"POST",
    "the first tensor's name in a package": r"^pictures$|`pictures`",
}
"""Removed from a text before old words are searched, by reason."""

HUB_EXEMPTIONS = {
    "OperatorVerdict of the hub": r"(operators? ?)?verdicts?",
    "what operators see": r"pictures?",
}


def words_of(text: str) -> str:
    """The text with the parts of identifiers as words: `runMs`, `run_ms` and `run.ms`."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.sub(r"[\s_./-]+", " ", text)


def old_words(text: str, exemptions: dict[str, str] | None = None) -> list[str]:
    """The old words in a text with what to say instead."""
    text = words_of(text)
    for allowed in (*EXEMPTIONS.values(), *(exemptions or {}).values()):
        flags = 0 if allowed == EXEMPTIONS["HTTP"] else re.IGNORECASE
        text = re.sub(rf"(?<!\w)({allowed})(?!\w)", "…", text, flags=flags)
    return [
        f"{found.group()!r} in {text.strip()[:100]!r}: say {instead}"
        for instead, pattern in OLD_WORDS.items()
        for found in re.finditer(rf"\b({pattern})\b", text, re.IGNORECASE)
    ]


def pages_of_docs() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            yield f"{page.name}:{number}", line


def help_pages(command: click.Command, name: str = PROGRAM) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=name, max_content_width=1000, terminal_width=1000)
    for line in command.get_help(context).splitlines():
        yield f"{name} --help", line
    for child, one in getattr(command, "commands", {}).items():
        yield from help_pages(one, f"{name} {child}")


def control_api() -> dict[str, Any]:
    from serving.api.control_api import api

    return api.openapi()


def hub_api(folder: Path) -> dict[str, Any]:
    from event_hub.application import build_app
    from event_hub.keyframes import FolderKeyframes
    from event_hub.settings import HubSettings
    from tests.event_hub.test_access import description_of

    database, access = f"sqlite:///{folder / 'hub.db'}", folder / "access"
    settings = HubSettings(database=database, console=False, access=access)
    return description_of(build_app(settings, FolderKeyframes(folder)))


def strings_of(schema: object, place: str) -> Iterator[tuple[str, str]]:
    """Every name and every text of a schema; an operation's id repeats its name and method."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "operationId":
                continue
            if key not in METHODS:
                yield place, key
            yield from strings_of(value, f"{place} {key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from strings_of(value, place)
    elif isinstance(schema, str):
        yield place, schema


def metrics_page() -> Iterator[tuple[str, str]]:
    from serving.api.metrics import exposition

    page = exposition(full_city("gate")).decode()
    for line in page.splitlines():
        # What is said of processes is the library's own.
        if " process_" not in line:
            yield "GET /metrics", line


def log_events() -> Iterator[tuple[str, str]]:
    for package in sorted(OUR_PACKAGES | {"model_tools", "simulation"}):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and _is_log(node.func) and node.args:
                    event = node.args[0]
                    if isinstance(event, ast.Constant) and isinstance(event.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", event.value


def _is_log(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LOG_METHODS
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "logger")
    )


def test_no_surface_speaks_an_old_word(tmp_path):
    hub = list(strings_of(hub_api(tmp_path), "hub API"))
    control = list(strings_of(control_api(), "control API"))
    pages = list(help_pages(typer.main.get_command(app)))
    events, metrics = list(log_events()), list(metrics_page())
    assert min(len(hub), len(control), len(pages), len(events), len(metrics)) > 10
    findings = [
        f"{place}: {problem}"
        for place, text in (*pages_of_docs(), *pages, *control, *metrics, *events)
        for problem in old_words(text)
    ]
    findings += [
        f"{place}: {one}" for place, text in hub for one in old_words(text, HUB_EXEMPTIONS)
    ]
    assert not findings, "\n".join(["old words:", *dict.fromkeys(findings)])


@pytest.mark.parametrize(
    "text",
    [
        "Images that it judged",
        "weak_first",
        "overlapThreshold",
        "camera.told",
        "Nobody looks",
        "FleetFigures",
        "It shows signs of life",
        "What was found again",
        "post_started",
    ],
)
def test_an_old_word_is_found(text):
    assert old_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Return what is configured",
        "Look at the picture evidence",
        "Make sure that it runs",
        "POST /models",
        "improves, approved, notebook, planes, surely, hotspots",
        "cityeye_model_inference_seconds",
    ],
)
def test_ordinary_english_is_left_alone(text):
    assert not old_words(text)


def test_the_hub_keeps_its_nouns():
    assert not old_words("OperatorVerdict with pictures", HUB_EXEMPTIONS)
    assert old_words("The model's verdict")


@pytest.mark.parametrize(
    "word", ["inference", "batch", "latency", "confidence", "NMS", "IoU", "throughput"]
)
def test_the_front_page_uses_the_word_that_people_search(word):
    assert re.search(rf"\b{word}\b", (ROOT / "README.md").read_text("utf-8"))
