"""One network with one seed: dense, compressed, control; every epoch is checkpointed, and what is finished is kept."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.reproduction.data import Images, Mode, load_images
from benchmarks.reproduction.recipes import RECIPES, Recipe
from compressor import load_compressed, save_compressed
from compressor.networks import activations_of, network
from compressor.storage.files import replacing
from compressor.training import (
    Phase,
    compressed_model_of,
    dropout_rates,
    error_rate,
    run_phases,
    set_dropout_rates,
    total_epochs,
)
from compressor.training.trainer import Progress
from compressor.types.coded import CompressedModel

N_PIXELS = 28 * 28

BATCHES_A_REPORT = 20
"""Progress is told this seldom."""


@dataclass(frozen=True)
class Run:
    """What is to be done.

    Attributes
    ----------
    network : str
    seed : int
    mode : str
        What errors are measured on: "test", "held-out" or "quick".
    folder : Path
        For checkpoints and results.
    """

    network: str
    seed: int
    mode: Mode
    folder: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.network}, seed {self.seed}"

    @property
    def recipe(self) -> Recipe:
        """Of this network in this mode."""
        recipe = RECIPES[self.network]
        return recipe.quick() if self.mode == "quick" else recipe


@dataclass(frozen=True, eq=False)
class RunResult:
    """What one run found.

    Attributes
    ----------
    network : str
    seed : int
    data : str
        Where the images are from.
    epochs : int
        Of the compressed run, and of the control.
    control_error, error : float
        Of the dense control and of the compressed network on the images for testing, 0 .. 1.
    n_tested : int
    seconds : float
        Of the processor, all stages together, those of earlier calls not counted.
    file_bytes : int
        Of the .dcz file.
    model : CompressedModel
        As read from that file.
    """

    network: str
    seed: int
    data: str
    epochs: int
    control_error: float
    error: float
    n_tested: int
    seconds: float
    file_bytes: int
    model: CompressedModel


def run(what: Run, progress: Progress | None = None) -> RunResult:
    """Do what is not done yet, and return the result; the same numbers however often it was interrupted."""
    images = load_images(what.mode)
    stem = what.folder / f"{what.network}-seed{what.seed}-{_fingerprint(what, images)}"
    record, stored = stem.with_suffix(".json"), stem.with_suffix(".dcz")
    if not record.exists():
        what.folder.mkdir(parents=True, exist_ok=True)
        _do(what, images, stem, progress or _ignore)
    found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return RunResult(**found, file_bytes=stored.stat().st_size, model=load_compressed(stored))


def _ignore(done: int, total: int, text: str) -> None:
    """No progress is shown."""


def _do(what: Run, images: Images, stem: Path, progress: Progress) -> None:
    # One thread: sums in one order, and the other cores are for other seeds.
    torch.set_num_threads(1)
    began = time.process_time()
    recipe, seed = what.recipe, what.seed
    dense, compression, control = recipe.dense(seed), recipe.compression(seed), recipe.control(seed)
    of_epochs = _Epochs(progress, [dense, compression, control], len(images.train), recipe.batch_size)

    def stage(model: nn.Module, name: str, phases: list[Phase]) -> nn.Module:
        # Errors on the way are for choosing a recipe; the images for testing are not for that.
        seen = images.test if what.mode == "held-out" else None
        options = {"held_out": seen, "checkpoint": f"{stem}.{name}.pt", "progress": of_epochs.part(phases)}
        run_phases(model, images.train, phases, **options)
        return model

    trained = stage(_network(what), "dense", dense)
    set_dropout_rates(trained, dict.fromkeys(dropout_rates(trained), recipe.dropout))
    compressed = stage(trained, "compressed", compression)
    reference = stage(_network(what), "control", control)
    model = compressed_model_of(compressed, activations=list(activations_of(what.network).values()))
    save_compressed(model, stem.with_suffix(".dcz"))
    found = {
        "network": what.network,
        "seed": seed,
        "data": images.source,
        "epochs": recipe.epochs,
        "control_error": error_rate(reference, images.test),
        "error": error_rate(compressed, images.test),
        "n_tested": len(images.test),
        "seconds": time.process_time() - began,
    }
    with replacing(stem.with_suffix(".json")) as file:
        file.write(json.dumps(found, indent=2).encode())


class _Epochs:
    """Progress over several schedules as one."""

    def __init__(self, progress: Progress, schedules: Sequence[list[Phase]], n_images: int, batch_size: int) -> None:
        self._progress = progress
        self._batches = {id(phases): -(-n_images // batch_size) * total_epochs(phases) for phases in schedules}
        self._total = sum(self._batches.values())
        self._order = list(self._batches)

    def part(self, phases: list[Phase]) -> Callable[[int, int, str], object]:
        """For one of the schedules, which run in the order they were given in."""
        before = sum(self._batches[other] for other in self._order[: self._order.index(id(phases))])

        def report(done: int, total: int, text: str) -> None:
            if done % BATCHES_A_REPORT == 0 or done == total:
                self._progress(before + done, self._total, text)

        return report


def _network(what: Run) -> nn.Module:
    model = network(what.network, seed=what.seed)
    first = next(iter(model.children()))
    if isinstance(first, nn.Conv2d):
        first.register_forward_pre_hook(_channels_last)
    return model


def _channels_last(_: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Channels innermost from the first layer on, which takes half the time on a CPU.

    An image of one channel is the same bytes either way; only its strides tell the convolution which way to take.
    """
    (images,) = arguments
    return (images.as_strided(images.shape, (N_PIXELS, 1, 28, 1)),)


def _fingerprint(what: Run, images: Images) -> str:
    """Ten digits that change with the data and the recipe."""
    content = json.dumps([what.network, what.mode, images.digest, asdict(what.recipe)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:10]
