"""Training the built-in packages on rendered scenes, from nothing, with one command.

    python -m cityeye.train --package traffic --out /tmp/packages

Draws the scenes, trains one network on all of their classes, and writes the wanted packages, each
measured on scenes that training never saw. Needs PyTorch, which nothing else in the project uses:
`uv run --with torch python -m cityeye.train ...`. The same seed on the same machine gives the same
weights up to the order of floating-point sums.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import platform
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from camera_adapters.rendered import (
    EVALUATION_SEEDS,
    LABELS,
    TRAINING_SEEDS,
    Sample,
    render_samples,
)
from models.training.cache import write_block
from models.training.recipe import RECIPES, recipe_named

if TYPE_CHECKING:
    from models.training.build import Provenance
    from models.training.network import Network

logger = logging.getLogger(__name__)

BLOCK = 16
"""Consecutive seeds that share a camera; drawing them together is several times faster."""
DEFAULT_PICTURES = 8000
EVALUATION_PICTURES = 480


def draw_training_pictures(folder: Path, pictures: int, workers: int) -> None:
    """Fills the cache folder with samples of the training seeds; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = range(-(-pictures // BLOCK))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for block in pool.map(_draw_block, [folder] * len(blocks), blocks, chunksize=4):
            if block % 50 == 0:
                logger.info("training_pictures_drawn %d", (block + 1) * BLOCK)


def evaluation_pictures(count: int) -> Iterator[Sample]:
    """Samples of the evaluation seeds, whole blocks spread over different cameras."""
    return render_samples(EVALUATION_SEEDS[:count])


def _draw_block(folder: Path, block: int) -> int:
    cv2.setNumThreads(1)
    path = folder / f"block-{block:06d}.npz"
    if not path.exists():
        write_block(path, render_samples(TRAINING_SEEDS[block * BLOCK : (block + 1) * BLOCK]))
    return block


def _trained(options: argparse.Namespace) -> Network:
    import torch

    from models.training.loop import STAGES, train
    from models.training.network import Network

    torch.manual_seed(options.seed)
    network = Network(len(LABELS))
    if options.weights is not None:
        network.load_state_dict(torch.load(options.weights, weights_only=True))
        network.eval()
        return network
    draw_training_pictures(options.cache, options.pictures, options.workers)
    for stage in STAGES:
        schedule = replace(
            stage,
            steps=max(1, round(stage.steps * options.effort)),
            workers=options.workers,
            seed=stage.seed + options.seed,
        )
        network = train(network, options.cache, schedule, options.cache / "network.pt")
    return network


def _provenance(options: argparse.Namespace) -> Provenance:
    from models.training.build import Provenance
    from models.training.loop import STAGES

    steps = [round(stage.steps * options.effort) for stage in STAGES]
    return Provenance(
        training_data=f"{options.pictures} rendered pictures 640x384, seeds 0 to "
        f"{options.pictures - 1}, all classes of the renderer together, "
        f"{' + '.join(str(count) for count in steps)} steps of "
        f"{options.workers * STAGES[0].batch} pictures",
        command=f"python -m cityeye.train --package {' '.join(options.package)} "
        f"--pictures {options.pictures} --effort {options.effort:g} "
        f"--workers {options.workers} --seed {options.seed} --out models/builtin",
        evaluation_data=f"seeds {EVALUATION_SEEDS[0]} to "
        f"{EVALUATION_SEEDS[options.evaluation_pictures - 1]}",
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{_processor()}, ONNX Runtime",
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        import torch
    except ModuleNotFoundError:
        sys.stderr.write("training needs PyTorch: uv run --with torch python -m cityeye.train\n")
        return 1
    from models.training.build import build_package

    network = _trained(options)
    torch.set_num_threads(1)
    judged_on = list(evaluation_pictures(options.evaluation_pictures))
    for name in options.package:
        measured = build_package(
            network,
            LABELS,
            recipe_named(name),
            judged_on,
            _provenance(options),
            options.version,
            options.out,
        )
        logger.info("package_built %s %s", name, measured.figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cityeye.train", description=__doc__)
    names = [recipe.name for recipe in RECIPES]
    parser.add_argument("--package", nargs="+", choices=names, default=names)
    parser.add_argument("--version", default="1", help="version of the written packages")
    parser.add_argument("--out", type=Path, required=True, help="root of the model repository")
    parser.add_argument("--cache", type=Path, default=Path("var/training"), help="drawn pictures")
    parser.add_argument("--pictures", type=int, default=DEFAULT_PICTURES)
    parser.add_argument("--evaluation-pictures", type=int, default=EVALUATION_PICTURES)
    parser.add_argument("--effort", type=float, default=1.0, help="factor on the training steps")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="use these trained weights; do not train")
    return parser


if __name__ == "__main__":
    sys.exit(main())
