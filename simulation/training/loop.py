"""The training loop: seeded, AdamW with warm-up and cosine decay, bfloat16, averaged weights."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_tools.graph import grid
from model_tools.heads import STRIDES
from simulation.scenes import Sample
from simulation.training.assignment import Points
from simulation.training.augmentation import MILD, WIDE, Strength, augmented
from simulation.training.cache import CachedSample, read_block
from simulation.training.loss import Labels, detection_loss
from simulation.training.network import Network

logger = logging.getLogger(__name__)

FULL_SCALE = 255.0
LOG_EVERY_STEPS = 50
LOG_FORMAT = "%(asctime)s %(message)s"
STEP_TIMEOUT_S = 600.0
GRADIENT_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: Optimiser steps.
        batch: Images per step and worker.
        workers: Processes that share each step, one CPU thread each; on a busy machine they lose
            less time waiting for each other than threads inside every operation do.
        peak_rate: Learning rate after warm-up.
        warm_up_steps: Steps until then.
        last_fraction: Fraction of the peak at the end.
        averaging: Decay of the weight average that is kept as the result.
        weight_decay: Of the convolutions.
        crop: Width and height of the cut-outs that most steps learn from; cheaper than whole
            images, and full of objects.
        whole_from: Fraction of the steps after which whole, unscaled images are learnt.
        strength: How much the cut-outs are changed.
        focus: See `detection_loss`.
        interest: See `cut_out`.
        seed: Picks order, augmentation and initial weights.
    """

    steps: int
    batch: int = 8
    workers: int = 2
    peak_rate: float = 2e-3
    warm_up_steps: int = 100
    last_fraction: float = 0.01
    averaging: float = 0.998
    weight_decay: float = 0.02
    crop: tuple[int, int] = (416, 256)
    whole_from: float = 0.92
    strength: Strength = MILD
    focus: float = 0.0
    interest: tuple[float, ...] | None = None
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        if step < self.warm_up_steps:
            return self.peak_rate * (step + 1) / self.warm_up_steps
        done = (step - self.warm_up_steps) / max(1, self.steps - self.warm_up_steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.peak_rate * (self.last_fraction + (1.0 - self.last_fraction) * cosine)


STAGES = (
    Schedule(steps=2000, strength=WIDE, focus=1.5),
    Schedule(steps=2800, warm_up_steps=50, whole_from=0.95, seed=1),
    Schedule(steps=1300, peak_rate=8e-4, warm_up_steps=30, whole_from=0.93, seed=2),
)
"""How all built-in packages were trained: passes, each going on from the last one's result."""

SPECIAL_STAGE = Schedule(steps=1600, peak_rate=1.3e-3, warm_up_steps=30, whole_from=0.93, seed=3)
"""How the passes of a speciality follow; it has its own steps and interest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images (N, 3, H, W) float32 in 0..1 and their labels."""

    images: Tensor
    labels: tuple[Labels, ...]


def points_of(size: tuple[int, int]) -> Points:
    """The anchor points of an input size (width, height)."""
    cells, strides = grid(size, STRIDES)
    steps = torch.from_numpy(strides)
    return Points(centres=(torch.from_numpy(cells) + 0.5) * steps, strides=steps.squeeze(1))


def train(
    network: Network, source: Sequence[Path], schedule: Schedule, checkpoint: Path
) -> Network:
    """Trains a network and returns its averaged weights, in evaluation mode.

    Args:
        network: Where to start from; it is left as it is.
        source: Files of cached samples, all of the same image size.
        schedule: How long.
        checkpoint: File that receives the averaged weights now and then, and at the end.
    """
    context = torch.multiprocessing.get_context("spawn")
    size = sum(weight.numel() for weight in network.parameters())
    gradients = torch.zeros(schedule.workers, size).share_memory_()
    barrier = context.Barrier(schedule.workers, timeout=STEP_TIMEOUT_S)
    torch.multiprocessing.spawn(
        _work,
        (network, source, schedule, checkpoint, GradientExchange(gradients, barrier)),
        nprocs=schedule.workers,
    )
    result = copy.deepcopy(network)
    result.load_state_dict(torch.load(checkpoint, weights_only=True))
    result.eval()
    return result


@dataclass(frozen=True, slots=True, eq=False)
class GradientExchange:
    """Averages gradients between worker processes through shared memory."""

    gradients: Tensor
    barrier: Barrier

    def average(self, rank: int, network: Network) -> None:
        """Replaces the gradients of this worker by the mean over all workers."""
        weights = list(network.parameters())
        flat = torch.cat([weight.grad.flatten() for weight in weights])
        self.gradients[rank].copy_(flat)
        self.barrier.wait()
        mean = self.gradients.mean(0)
        self.barrier.wait()
        start = 0
        for weight in weights:
            weight.grad.copy_(mean[start : start + weight.numel()].view_as(weight))
            start += weight.numel()


def _work(
    rank: int,
    network: Network,
    source: Sequence[Path],
    schedule: Schedule,
    checkpoint: Path,
    exchange: GradientExchange,
) -> None:
    """One worker process; all of them hold the same weights after every step."""
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format=LOG_FORMAT)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    samples = [sample for path in source for sample in read_block(path)]
    network = network.train().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimiser = _optimiser(network, schedule)
    started = time.monotonic()
    for step, batch in enumerate(_batches(samples, schedule, rank)):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        with torch.autocast("cpu", torch.bfloat16):
            raw = network(batch.images)
        height, width = batch.images.shape[2:]
        loss = detection_loss(raw.float(), points_of((width, height)), batch.labels, schedule.focus)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        exchange.average(rank, network)
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimiser.step()
        _average(average, network, min(schedule.averaging, (step + 1) / (step + 10)))
        if rank == 0 and (step % LOG_EVERY_STEPS == 0 or step + 1 == schedule.steps):
            torch.save(average.state_dict(), checkpoint)
            elapsed_s = time.monotonic() - started
            logger.info(
                "training_step %d score_loss %.3f box_loss %.3f elapsed_s %.0f",
                step,
                loss.score,
                loss.box,
                elapsed_s,
            )


def _optimiser(network: Network, schedule: Schedule) -> torch.optim.Optimizer:
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": schedule.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=schedule.peak_rate,
    )


def _average(average: Network, network: Network, decay: float) -> None:
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    for kept, new in pairs:
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1.0 - decay)
        else:
            kept.copy_(new)


def _batches(samples: Sequence[CachedSample], schedule: Schedule, rank: int) -> Iterator[Batch]:
    """Prepares the next batch in a second thread while the current one is learnt."""
    order = _order(len(samples), schedule)
    share = slice(rank * schedule.batch, (rank + 1) * schedule.batch)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(_batch, samples, next(order)[share], (0, rank), schedule)
        for step in range(schedule.steps):
            batch = pending.result()
            chosen = next(order)[share]
            pending = pool.submit(_batch, samples, chosen, (step + 1, rank), schedule)
            yield batch


def _order(count: int, schedule: Schedule) -> Iterator[npt.NDArray[np.int64]]:
    rng = np.random.default_rng((schedule.seed, 1))
    together = schedule.batch * schedule.workers
    queue = rng.permutation(count)
    while True:
        while len(queue) < together:
            queue = np.concatenate([queue, rng.permutation(count)])
        yield queue[:together]
        queue = queue[together:]


def _batch(
    samples: Sequence[CachedSample],
    chosen: npt.NDArray[np.int64],
    step_and_rank: tuple[int, int],
    schedule: Schedule,
) -> Batch:
    rng = np.random.default_rng((schedule.seed, 2, *step_and_rank))
    whole = step_and_rank[0] >= schedule.whole_from * schedule.steps
    crop = None if whole else schedule.crop
    prepared = [
        augmented(samples[index].sample(), rng, crop, schedule.strength, schedule.interest)
        for index in chosen
    ]
    stacked = torch.from_numpy(np.stack([one.image for one in prepared]))
    # A permuted view of the stacked images already has the channels-last layout.
    images = stacked.permute(0, 3, 1, 2).float() / FULL_SCALE
    return Batch(images, tuple(_labels(one) for one in prepared))


def _labels(sample: Sample) -> Labels:
    return Labels(
        boxes=torch.from_numpy(sample.boxes),
        classes=torch.from_numpy(sample.class_ids),
        ignored=torch.from_numpy(sample.ignore),
    )
