"""Which share of the GPUs a model gets: without one, Ray would hide them all from it."""

from __future__ import annotations

import pytest

from models.package import ModelPackage
from serving.errors import ServingError
from serving.gpu_shares import ROLLOUT_GPUS, WorkerGpus
from serving.launch import placed
from serving.served_models import ServedModel, served_model


def models(package: ModelPackage, *providers: str, **args: object) -> list[ServedModel]:
    return [served_model(package, provider=provider, **args) for provider in providers]


@pytest.mark.parametrize(
    ("providers", "gpus", "shares"),
    [
        (("auto",), 0.0, [0.0]),
        (("auto",), 1.0, [0.9]),
        (("auto", "auto", "auto"), 1.0, [0.3, 0.3, 0.3]),
        (("auto", "cpu", "cuda"), 1.0, [0.45, 0.0, 0.45]),
        (("auto", "cuda"), 4.0, [0.9, 0.9]),
    ],
    ids=["no GPU", "alone", "three share", "cpu takes none", "more GPUs than models"],
)
def test_shares(
    brightness: ModelPackage, providers: tuple[str, ...], gpus: float, shares: list[float]
) -> None:
    found = [args.gpus for args in placed(models(brightness, *providers), gpus)]
    assert found == pytest.approx(shares)
    assert sum(found) <= gpus * 0.9 + 1e-9, "a version that joins later finds a place"


def test_replicas_share_what_their_model_has(brightness: ModelPackage) -> None:
    (args,) = placed(models(brightness, "auto", replicas=4), 1.0)
    assert args.gpus * args.replicas == pytest.approx(0.9)


def test_an_explicit_share_is_kept(brightness: ModelPackage) -> None:
    (args,) = placed(models(brightness, "cuda", gpus=0.25), 1.0)
    assert args.gpus == 0.25


def test_a_model_that_needs_a_gpu_says_so_where_there_is_none(brightness: ModelPackage) -> None:
    with pytest.raises(ServingError, match=r"brightness 1 is to run on a GPU.*nvidia-smi"):
        placed(models(brightness, "cuda"), 0.0)


def test_a_worker_that_decodes_on_a_gpu_reserves_a_place_on_it_where_there_is_one():
    serve, own = WorkerGpus(workers=1, free=0.1), WorkerGpus(to_infer=0.45, workers=2, free=0.1)
    assert serve.reserved(1.0) == pytest.approx(0.051)
    assert own.reserved(1.0) == 0.45
    assert own.reserved(0.0) == 0.45
    assert serve.reserved(0.0) == 0.0


@pytest.mark.parametrize("infer", [True, False])
@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_a_worker_and_a_version_that_join_later_find_a_place(
    brightness: ModelPackage, provider: str, infer: bool
) -> None:
    there = models(brightness, provider)
    for workers in range(1, 9):
        gpus = WorkerGpus.of(there, 1.0, workers, infer=infer)
        inferred = [] if infer else [args.gpus for args in placed(there, 1.0)]
        shares = [*inferred, *[gpus.reserved(1.0)] * workers]
        assert filled(1, *shares, gpus.later.reserved(1.0)) == [len(shares) + 1]
        assert filled(1, *shares, ROLLOUT_GPUS) == [len(shares) + 1]


def test_a_small_machine_of_a_large_cluster_has_room_for_its_workers(
    brightness: ModelPackage,
) -> None:
    gpus = WorkerGpus.of(models(brightness, "auto"), 8.0, 4, infer=False)
    assert filled(1, 0.9, *[gpus.reserved(1.0)] * 4) == [5]


def filled(gpus: int, *shares: float) -> list[int]:
    """Processes on each GPU, of which Ray takes the fullest that has room, as its source says."""
    free, count = [1.0] * gpus, [0] * gpus
    for share in shares:
        rooms = [left for left in free if left >= share - 1e-9]
        assert rooms, "it would wait for ever"
        chosen = free.index(min(rooms))
        free[chosen] -= share
        count[chosen] += 1
    return sorted(count)


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8, 16])
def test_processes_are_on_every_gpu_as_many_on_each(
    brightness: ModelPackage, gpus: int, workers: int
) -> None:
    there = models(brightness, "auto", replicas=gpus)
    own = WorkerGpus.of(there, gpus, workers, infer=True).reserved(gpus)
    count = filled(gpus, *[own] * workers)
    assert max(count) <= -(-workers // gpus)
    replicas = [args.gpus for args in placed(there, gpus)] * gpus
    beside = WorkerGpus.of(there, gpus, workers, infer=False).reserved(gpus)
    count = filled(gpus, *replicas, *[beside] * workers)
    assert max(count) <= 1 + -(-workers // gpus)
    on_cpu = models(brightness, "cpu")
    alone = WorkerGpus.of(on_cpu, gpus, workers, infer=False).reserved(gpus)
    assert max(filled(gpus, *[alone] * workers)) <= -(-workers // gpus)
