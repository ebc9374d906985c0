"""Routes of the control API for coverage: what every task could see, and why not more."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from pipelines import CoveredPeriod, total_coverage
from serving.api.answers import ApiAnswer
from serving.director_client import all_workers, ask_director

TIMEOUT_S: Final = 30.0
USUAL: Final = timedelta(hours=1)
MOST: Final = timedelta(days=32)
EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Nothing is known of earlier times, and not all of them can be calculated with."""

MOST_PERIODS: Final = 20_000

router = APIRouter(prefix="/coverage", tags=["coverage"])
CameraId = Annotated[str | None, Query(max_length=128)]
Since = Annotated[AwareDatetime | None, Query(description="an hour before `until` without it")]
Until = Annotated[AwareDatetime | None, Query(description="now without it")]


class CoveredAnswer(ApiAnswer):
    """What one task of one camera could see between two times.

    `requested_s` are the seconds for which it was asked to watch, `watched_s` those between frames
    that were analysed in time, `able_s` those in which the camera showed its place besides. `gaps`
    are what `able_s` lacks of `requested_s`, by reason.
    """

    camera: str
    task: str
    begins_at: datetime
    ends_at: datetime
    requested_s: float
    watched_s: float
    able_s: float
    gaps: dict[str, float]


class CoverageAnswer(ApiAnswer):
    """All tasks in the order of cameras and tasks, or their periods, oldest first.

    `unknown` says by camera why it is not known what became of it, or of its last seconds: nobody
    may be watching it.
    """

    covered: tuple[CoveredAnswer, ...]
    unknown: dict[str, str]


@router.get("", summary="What every task could see of its camera")
async def total(
    camera: CameraId = None, since: Since = None, until: Until = None
) -> CoverageAnswer:
    """The periods that touch the time together; those of this minute count up to now."""
    periods, unknown = await _asked(camera, since, until)
    tasks: defaultdict[tuple[str, str], list[CoveredPeriod]] = defaultdict(list)
    for one in periods:
        tasks[one.camera, one.task].append(one)
    covered = (
        CoveredAnswer.of(
            total_coverage(one.coverage for one in own),
            own[0],
            ends_at=max(one.ends_at for one in own),
        )
        for _, own in sorted(tasks.items())
    )
    return CoverageAnswer(covered=tuple(covered), unknown=unknown)


@router.get("/periods", summary="The same period by period")
async def list_periods(
    camera: CameraId = None, since: Since = None, until: Until = None
) -> CoverageAnswer:
    """422 where there are more than 20,000: ask for one camera or for a shorter time."""
    periods, unknown = await _asked(camera, since, until)
    if len(periods) > MOST_PERIODS:
        raise HTTPException(422, f"there are {len(periods)}; ask for one camera or a shorter time")
    covered = tuple(CoveredAnswer.of(one.coverage, one) for one in periods)
    return CoverageAnswer(covered=covered, unknown=unknown)


async def _asked(
    camera: str | None, since: datetime | None, until: datetime | None
) -> tuple[list[CoveredPeriod], dict[str, str]]:
    """The periods that were asked for, oldest first, and why others are not known."""
    until = max(until or datetime.now(UTC), EARLIEST)
    since = since or until - USUAL
    if not timedelta() < until - since <= MOST:
        raise HTTPException(422, f"`since` must lie before `until`, by {MOST.days} days at most")
    workers = await all_workers()
    silence = {one: state.silence for state in workers for one in state.camera_ids}
    if camera is not None and camera not in silence:
        raise HTTPException(404, f"there is no camera {camera!r}; GET /cameras lists them")
    answer: Any = await ask_director("coverage", since, until, camera, timeout_s=TIMEOUT_S)
    periods: list[CoveredPeriod] = sorted(answer, key=lambda one: (one.begins_at, one.camera))
    found = {one.camera for one in periods}
    unknown = {
        one: why or "nothing is known of it in this time"
        for one, why in silence.items()
        if camera in (None, one) and (why or one not in found)
    }
    return periods, unknown
