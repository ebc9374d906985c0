"""Training the built-in packages on rendered scenes, from nothing, with one command.

    python -m simulation.training --package traffic --out /tmp/packages

Draws the scenes, trains one network on all of their classes and places, goes on with a copy for
the places that the wanted packages are made for, and writes the packages, each measured on scenes
of those places that training never saw. Needs PyTorch, which nothing else in the project uses:
`uv run --with torch python -m simulation.training ...`. The same seed on the same machine gives
the same weights up to the order of floating-point sums.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import platform
import sys
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from simulation.scenes import (
    EVALUATION_SEEDS,
    LABELS,
    SEEDS_PER_VIEW,
    TRAINING_SEEDS,
    Sample,
    place_of,
    render_samples,
)
from simulation.training.cache import write_block
from simulation.training.recipe import RECIPES, Speciality, recipe_named

if TYPE_CHECKING:
    from simulation.training.card import Provenance
    from simulation.training.network import Network

logger = logging.getLogger(__name__)

BLOCK = SEEDS_PER_VIEW
"""Consecutive seeds that share a camera; drawing them together is several times faster."""
DEFAULT_IMAGES = 8000
SPECIAL_IMAGES = 11360
EVALUATION_IMAGES = 480
LOG_EVERY_BLOCKS = 50


def blocks_showing(places: Container[str], seeds: Sequence[int]) -> Iterator[int]:
    """The first seed of each block of a range of seeds that shows one of the places."""
    return (seed for seed in seeds[::BLOCK] if place_of(seed) in places)


def draw_training_images(folder: Path, blocks: Sequence[int], workers: int) -> list[Path]:
    """Draws blocks into the cache folder unless they are there; returns their files.

    Args:
        folder: Made if need be.
        blocks: First seed of each block.
        workers: Processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    paths = []
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for path in pool.map(_draw_block, [folder] * len(blocks), blocks, chunksize=4):
            paths.append(path)
            if len(paths) % LOG_EVERY_BLOCKS == 0:
                logger.info("training_images_drawn %d", len(paths) * BLOCK)
    return paths


def evaluation_images(images: int, places: Container[str]) -> Iterator[Sample]:
    """Samples of the first blocks of evaluation seeds that show one of the places."""
    return render_samples(_evaluation_seeds(images, places))


def _evaluation_seeds(images: int, places: Container[str]) -> list[int]:
    starts = blocks_showing(places, EVALUATION_SEEDS)
    return list(islice((seed for start in starts for seed in islice(count(start), BLOCK)), images))


def _draw_block(folder: Path, first_seed: int) -> Path:
    cv2.setNumThreads(1)
    path = folder / f"block-{first_seed // BLOCK:06d}.npz"
    if not path.exists():
        write_block(path, render_samples(range(first_seed, first_seed + BLOCK)))
    return path


def _base(options: argparse.Namespace) -> Network:
    """All passes that the networks of all places share."""
    import torch

    from simulation.training.loop import STAGES, train
    from simulation.training.network import Network

    torch.manual_seed(options.seed)
    network = Network(len(LABELS))
    blocks = TRAINING_SEEDS[: options.images : BLOCK]
    paths = draw_training_images(options.cache, blocks, options.workers)
    for stage in STAGES:
        schedule = replace(
            stage,
            steps=_steps(stage.steps, options),
            workers=options.workers,
            seed=stage.seed + options.seed,
        )
        network = train(network, paths, schedule, options.cache / "base.pt")
    return network


def _specialised(base: Network, speciality: Speciality, options: argparse.Namespace) -> Network:
    """Goes on from the shared network with images of the speciality's places only."""
    from simulation.training.loop import SPECIAL_STAGE, train

    blocks = blocks_showing(speciality.places, TRAINING_SEEDS[: options.special_images])
    paths = draw_training_images(options.cache, list(blocks), options.workers)
    network = base
    for index, steps in enumerate(speciality.steps):
        schedule = replace(
            SPECIAL_STAGE,
            steps=_steps(steps, options),
            workers=options.workers,
            interest=speciality.interest_in(LABELS),
            seed=SPECIAL_STAGE.seed + index + options.seed,
        )
        network = train(network, paths, schedule, options.cache / f"{speciality.name}.pt")
    return network


def _steps(wanted: int, options: argparse.Namespace) -> int:
    effort: float = options.effort
    return max(1, round(wanted * effort))


def _networks(options: argparse.Namespace) -> dict[str, Network]:
    """The trained network of every speciality that the wanted packages need, by its name."""
    import torch

    from simulation.training.network import Network

    wanted = {
        recipe.speciality.name: recipe.speciality for recipe in map(recipe_named, options.package)
    }
    if options.weights is None:
        base = _base(options)
        return {name: _specialised(base, special, options) for name, special in wanted.items()}
    networks = {}
    for name in wanted:
        networks[name] = Network(len(LABELS))
        stored = torch.load(options.weights / f"{name}.pt", weights_only=True)
        networks[name].load_state_dict(stored)
        networks[name].eval()
    return networks


def _provenance(options: argparse.Namespace, speciality: Speciality) -> Provenance:
    from model_tools.admission import fingerprint
    from simulation.training.card import Provenance
    from simulation.training.loop import STAGES

    base = " + ".join(str(_steps(stage.steps, options)) for stage in STAGES)
    special = " + ".join(str(_steps(steps, options)) for steps in speciality.steps)
    seeds = TRAINING_SEEDS[: options.special_images]
    drawn = len(list(blocks_showing(speciality.places, seeds))) * BLOCK
    evaluated_on = _evaluation_seeds(options.evaluation_images, speciality.places)
    return Provenance(
        training_data=f"rendered images 640x384, all classes of the renderer together; first "
        f"{options.images} of all places (seeds 0 to {options.images - 1}), {base} steps of "
        f"{options.workers * STAGES[0].batch} images; then {drawn} that show "
        f"{' or '.join(speciality.places)} (blocks of {BLOCK} within seeds 0 to {len(seeds) - 1}), "
        f"{special} steps{options.note and '; ' + options.note}",
        command=f"python -m simulation.training --package {' '.join(options.package)} "
        f"--images {options.images} --special-images {options.special_images} "
        f"--effort {options.effort:g} --workers {options.workers} --seed {options.seed} "
        "--out models/builtin",
        evaluation_data=f"the first blocks of {BLOCK} that show these places, within seeds "
        f"{EVALUATION_SEEDS[0]} to {evaluated_on[-1]}",
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{fingerprint('cpu').processor or platform.machine()}, ONNX Runtime",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        import torch
    except ModuleNotFoundError:
        sys.stderr.write(
            "training needs PyTorch: uv run --with torch python -m simulation.training\n"
        )
        return 1
    from simulation.training.build import build_package

    networks = _networks(options)
    torch.set_num_threads(1)
    for name in options.package:
        recipe = recipe_named(name)
        special = recipe.speciality
        measured = build_package(
            networks[special.name],
            LABELS,
            recipe,
            evaluation_images(options.evaluation_images, special.places),
            _provenance(options, special),
            options.version,
            options.out,
        )
        logger.info("package_built %s %s", name, measured.figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation.training", description=__doc__)
    names = [recipe.name for recipe in RECIPES]
    parser.add_argument("--package", nargs="+", choices=names, default=names)
    parser.add_argument("--version", default="1", help="version of the written packages")
    parser.add_argument("--out", type=Path, required=True, help="root of the model repository")
    parser.add_argument("--cache", type=Path, default=Path("var/training"), help="drawn images")
    parser.add_argument("--images", type=int, default=DEFAULT_IMAGES)
    parser.add_argument(
        "--special-images",
        type=int,
        default=SPECIAL_IMAGES,
        help="of these, the ones that show the places of a package train its last passes",
    )
    parser.add_argument("--evaluation-images", type=int, default=EVALUATION_IMAGES)
    parser.add_argument("--effort", type=float, default=1.0, help="factor on the training steps")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="folder of trained weights; do not train")
    parser.add_argument("--note", default="", help="what else the cards should tell of the data")
    return parser


if __name__ == "__main__":
    sys.exit(main())
