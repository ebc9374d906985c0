"""`cityeye bench incidents`: what the rules report of clips, against what happens in them.

Every clip goes the whole path of a replay, from its encoded images through decoder, detector,
tracker and signals to the rules. Clips are drawn scenes of a seed, half of them hard negatives, or
recordings with a description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import cv2
from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.incident_path.case import IncidentCase, drawn_case
from benchmarks.incident_path.recordings import recorded_cases
from benchmarks.incident_path.report import (
    case_words,
    comparison_table,
    kinds_table,
    metrics_of,
    tables_of,
)
from benchmarks.incident_path.score import KindScore, MatchedCase, scores_of
from benchmarks.incident_path.watch import (
    CameraLoader,
    CaseFindings,
    CaseVariant,
    LoadedCamera,
    loaded,
    watch,
)
from benchmarks.result import BenchmarkResult, ResultTable, RunStart, read_result
from benchmarks.results_page import RESULTS
from benchmarks.subject import Say
from models import Precision
from simulation.scenes import incident_scene, incident_scene_names

__all__ = ["IncidentsBenchmark", "LoadedCamera", "run"]

ABLATIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "littering": ("littering.dropped_object", ("both", "class", "static_change")),
    "congestion": ("traffic.congestion", ("all", "speed", "discharge", "free_flow")),
}
"""By name: the kind of rule, and the values of its parameter `evidence` that are compared."""

EVIDENCE: Final = "evidence"

_Job = tuple[IncidentCase, Mapping[CaseVariant, IncidentCase]]


@dataclass(frozen=True, slots=True)
class IncidentsBenchmark:
    """What to measure.

    Attributes:
        load: Reads the configuration of a camera.
        cache: Where drawn clips are kept.
        seed: Of the drawn scenes.
        scenes: Names of scenes or patterns such as `bag-*`; all if there is none.
        clips: A folder of recordings in place of drawn scenes.
        ablate: Names in `ABLATIONS`.
        processes: How many clips are drawn and replayed at once.
        motion_gate_s: The key `motion_gate_s` of the cameras; as it is without it.
        precision: The key `precision` of the models; as it is without it.
        idle_fps: The key `adaptive_fps: idle` of all tasks, raised to what their rules need.
        near_fps: The key `adaptive_fps: near` of all tasks.
    """

    load: CameraLoader
    cache: Path
    seed: int = 1
    scenes: tuple[str, ...] = ()
    clips: Path | None = None
    ablate: tuple[str, ...] = ()
    processes: int = 2
    motion_gate_s: float | None = None
    precision: Precision | None = None
    idle_fps: float | None = None
    near_fps: float | None = None

    @property
    def tried(self) -> dict[str, JsonValue]:
        """The keys that are tried, by name, for the result."""
        names = ("motion_gate_s", "precision", "idle_fps", "near_fps")
        return {name: getattr(self, name) for name in names}


def run(benchmark: IncidentsBenchmark, say: Say) -> BenchmarkResult:
    """Draws what is missing, replays every clip and compares.

    Raises:
        BenchmarkError: A name is unknown, or a description of a recording is wrong.
    """
    start = RunStart()
    cases = [spared(case, benchmark) for case in _cases(benchmark)]
    confirm_s = _checked(cases, benchmark.load)
    variants: dict[CaseVariant, dict[str, IncidentCase]] = {}
    for name in benchmark.ablate:
        variants |= _ablated(name, cases, benchmark.load)
    matched = _watched(cases, variants, benchmark, say)
    scores = scores_of(matched, confirm_s)
    metrics = metrics_of(scores, matched)
    tables = list(tables_of(cases, matched, scores))
    tables += [_ablation(name, matched, confirm_s) for name in benchmark.ablate]
    settings: dict[str, JsonValue] = {
        "seed": benchmark.seed,
        "scenes": list(benchmark.scenes),
        "clips": None if benchmark.clips is None else benchmark.clips.name,
        "cases": len(cases),
        "processes": benchmark.processes,
        **benchmark.tried,
    }
    tables.append(_times(matched))
    result = start.result("incidents", settings, metrics, tables)
    earlier = _last_result() if not (benchmark.scenes or benchmark.clips) else None
    if earlier is not None:
        name, before = earlier
        compared = comparison_table(name, before, metrics)
        result = result.model_copy(update={"tables": (*result.tables, compared)})
    return result


def _cases(benchmark: IncidentsBenchmark) -> list[IncidentCase]:
    """The clips to watch."""
    for name in benchmark.ablate:
        if name not in ABLATIONS:
            raise BenchmarkError(f"no ablation {name!r}; there are: {', '.join(ABLATIONS)}")
    if benchmark.clips is not None:
        return recorded_cases(benchmark.clips)
    names = incident_scene_names(benchmark.seed)
    for pattern in benchmark.scenes:
        if not any(_is_meant(name, (pattern,)) for name in names):
            stories = sorted({name.rsplit("-", 2)[0] for name in names})
            raise BenchmarkError(f"no scene {pattern!r}; there are: {', '.join(stories)}")
    chosen = [name for name in names if not benchmark.scenes or _is_meant(name, benchmark.scenes)]
    return [drawn_case(incident_scene(benchmark.seed, name)) for name in chosen]


def spared(case: IncidentCase, benchmark: IncidentsBenchmark) -> IncidentCase:
    """The case with the keys that are tried."""
    if benchmark.motion_gate_s is not None:
        case = case.with_camera(motion_gate_s=benchmark.motion_gate_s)
    if benchmark.precision is not None:
        case = case.with_models(precision=benchmark.precision)
    if benchmark.idle_fps is not None or benchmark.near_fps is not None:
        case = case.with_adaptive_fps(benchmark.idle_fps, benchmark.near_fps)
    return case


def _is_meant(name: str, patterns: Sequence[str]) -> bool:
    """Whether a scene, or its story, or its story and number, has one of the names."""
    story, number, _ = name.rsplit("-", 2)
    known = (name, story, f"{story}-{number}")
    return any(fnmatchcase(one, pattern) for one in known for pattern in patterns)


def _checked(cases: Sequence[IncidentCase], load: CameraLoader) -> dict[str, float]:
    """Confirm windows by kind of all rules; every camera has been loaded then.

    Raises:
        BenchmarkError: An expected incident is of a kind or zone that its camera does not watch.
    """
    windows: dict[str, float] = {}
    for case in cases:
        if not case.has_rules:
            continue
        plan, _ = loaded(case, load)
        rules = [rule for task in plan.tasks for rule in task.rules]
        for rule in rules:
            # Rules that only measure confirm nothing.
            confirm_s = float(str(rule.parameters.get("confirm_s", 0.0)))
            windows[rule.kind] = max(windows.get(rule.kind, 0.0), confirm_s)
        for number, one in enumerate(case.expected):
            own = [rule for rule in rules if rule.kind == one.kind]
            places = {zone.name for rule in own for zone in rule.zones}
            places |= {line.name for rule in own for line in rule.lines}
            _check(case, number, "kind", one.kind, {rule.kind for rule in rules})
            _check(case, number, "zone", one.zone, places)
    return windows


def _check(case: IncidentCase, number: int, key: str, value: str, known: set[str]) -> None:
    if value not in known:
        what = f"{value!r} is none that its camera watches: {', '.join(sorted(known)) or 'none'}"
        raise BenchmarkError(f"{case.source}: expected[{number}].{key}: {what}")


def _watched(
    cases: Sequence[IncidentCase],
    variants: Mapping[CaseVariant, Mapping[str, IncidentCase]],
    benchmark: IncidentsBenchmark,
    say: Say,
) -> list[MatchedCase]:
    """Replays the cases that have rules, in their order."""
    ruled = {case.name: case for case in cases if case.has_rules}
    jobs = [
        (case, {variant: changed[name] for variant, changed in variants.items() if name in changed})
        for name, case in ruled.items()
    ]
    matched: dict[str, MatchedCase] = {}
    for done in _findings(jobs, benchmark):
        one = MatchedCase.of(ruled[done.case], done)
        matched[done.case] = one
        drew = f"drawn in {done.drew_s:.0f} s, " if one.case.scene else ""
        say(
            f"{len(matched)} of {len(ruled)}  {done.case}: {drew}{done.seconds:.0f} s replayed in "
            f"{done.watched_s:.0f} s: {case_words(one)}"
        )
    return [matched[name] for name in ruled]


def _findings(jobs: Sequence[_Job], benchmark: IncidentsBenchmark) -> Iterator[CaseFindings]:
    """What was reported of each, as it becomes known."""
    work = partial(watch, load=benchmark.load, cache=benchmark.cache)
    if benchmark.processes == 1:
        for case, variants in jobs:
            yield work(case, variants)
        return
    # Spawned, not forked: models run threads.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        benchmark.processes, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        waited: list[Future[CaseFindings]] = [pool.submit(work, *job) for job in jobs]
        try:
            for one in as_completed(waited):
                yield one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _ablated(
    name: str, cases: Sequence[IncidentCase], load: CameraLoader
) -> dict[CaseVariant, dict[str, IncidentCase]]:
    """By evidence: the cases that the rule watches, changed so that it uses this one alone.

    Raises:
        BenchmarkError: No case has the rule.
    """
    kind, evidences = ABLATIONS[name]
    meant = [case for case in cases if kind in case.kinds]
    if not meant:
        what = f"none of these clips has the rule {kind}"
        raise BenchmarkError(f"{what}, which --ablate {name} needs")
    changed = {
        (name, evidence): {
            case.name: case.with_parameters(kind, {EVIDENCE: evidence}) for case in meant
        }
        for evidence in evidences
    }
    for one in changed.values():
        # Whether the rule can be given it is known before the long run.
        loaded(next(iter(one.values())), load)
    return changed


def _ablation(
    name: str, matched: Sequence[MatchedCase], confirm_s: Mapping[str, float]
) -> ResultTable:
    """The scores of one kind with each of its evidences alone."""
    kind, evidences = ABLATIONS[name]
    scores: dict[str, KindScore] = {}
    for evidence in evidences:
        variants = filter(None, (one.of_variant((name, evidence)) for one in matched))
        scores[evidence] = scores_of(list(variants), confirm_s).get(kind, KindScore())
    table = kinds_table(f"Ablation of {kind}, by its evidence", scores)
    return table.model_copy(update={"columns": (EVIDENCE, *table.columns[1:])})


def _times(cases: Sequence[MatchedCase]) -> ResultTable:
    drew = sum(one.findings.drew_s for one in cases)
    watched = sum(one.findings.watched_s for one in cases)
    seconds = sum(one.findings.seconds for one in cases)
    analysed = sum(one.findings.analysed for one in cases)
    held = sum(one.findings.held for one in cases)
    return ResultTable(
        title="Work of all processes together, in seconds",
        columns=(
            *("clips", "seconds of video", "to draw and encode", "to replay"),
            *("frames analysed", "of these not inferred"),
        ),
        rows=((len(cases), round(seconds), round(drew), round(watched), analysed, held),),
    )


def _last_result() -> tuple[str, BenchmarkResult] | None:
    """The newest result of this benchmark that is kept with the program."""
    kept = [(path.stem, read_result(path)) for path in sorted(RESULTS.glob("incidents*.json"))]
    return max(kept, key=lambda one: one[1].started_at, default=None)
