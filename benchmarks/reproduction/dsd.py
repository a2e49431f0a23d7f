"""Dense-sparse-dense training against a dense control with as many epochs at the same rates (DSD, ICLR 2017)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.reproduction.bench import new_network, seldom
from benchmarks.reproduction.data import Images
from benchmarks.reproduction.recipes import LATER
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor.networks import network
from compressor.training import Phase, TrainSettings, error_rate, find_layers, run_phases
from compressor.training.dsd import dense_control, dsd_phases


class FashionCNN(nn.Module):
    """Three convolutions of 3 x 3 to 32, 64 and 128 channels, each pooled, then 1152-512-10: 687,392 weights.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
            self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
            self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
            self.ip1 = nn.Linear(128 * 3 * 3, 512)
            self.drop1 = nn.Dropout(0.5)
            self.ip2 = nn.Linear(512, 10)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Scores, float32 (n, 10), of images (n, 28, 28)."""
        x = images.reshape(-1, 1, 28, 28)
        for layer in (self.conv1, self.conv2, self.conv3):
            x = functional.max_pool2d(torch.relu(layer(x)), 2)
        scores: Tensor = self.ip2(self.drop1(torch.relu(self.ip1(x.flatten(1)))))
        return scores


@dataclass(frozen=True)
class DSDRecipe:
    """How one network is trained both ways.

    Attributes
    ----------
    make : function of a seed to a network
    data : str
        One of `benchmarks.reproduction.parts.SETS`.
    sparsity : float
    rate : float
        Of the dense step; the sparse step has a tenth, the re-dense step a hundredth, as in the paper's table.
    epochs : tuple of int
        Dense, sparse, re-dense.
    settings : mapping
        Others of `TrainSettings`.
    cost : float
        Of an epoch, beside the others'.
    """

    make: Callable[[int], nn.Module]
    data: str
    sparsity: float
    rate: float
    epochs: tuple[int, int, int]
    settings: Mapping[str, object]
    cost: float

    @property
    def told(self) -> list[object]:
        """What a kept run depends on besides images and seed."""
        return [self.data, self.sparsity, self.rate, self.epochs, dict(self.settings)]

    def steps(self, model: nn.Module, seed: int, quick: bool) -> tuple[Phase, list[Phase], list[Phase]]:
        """The dense step that both have in common, then the other two of DSD and of the control."""
        n = (1, 1, 1) if quick else self.epochs
        dense = TrainSettings(n[0], self.rate, seed=seed, **self.settings)  # type: ignore[arg-type]
        sparse = replace(dense, epochs=n[1], rate=self.rate / 10, seed=seed + LATER)
        redense = replace(sparse, epochs=n[2], rate=self.rate / 100, seed=seed + 2 * LATER)
        first, *others = dsd_phases(model, dense, sparse, redense, self.sparsity)
        return first, others, dense_control(others)


_SGD = {"l2": 5e-4, "batch_size": 64}

RECIPES: Mapping[str, DSDRecipe] = {
    "lenet-5": DSDRecipe(lambda seed: new_network("lenet-5", seed), "mnist", 0.3, 0.03, (8, 5, 5), _SGD, 2.0),
    "lstm": DSDRecipe(
        lambda seed: network("lstm-classifier", seed=seed),
        "fashion-mnist",
        0.5,
        2e-3,
        (10, 5, 5),
        {"batch_size": 64, "clip": 1.0, "optimizer": "adam"},
        1.0,
    ),
    "cnn": DSDRecipe(FashionCNN, "fashion-mnist", 0.3, 0.05, (8, 4, 4), _SGD, 5.0),
}
"""Sparsity 30 % as for the paper's CNNs, 50 % in the LSTM as for its DeepSpeech."""


def task(name: str, images: Images, seed: int, quick: bool, stem: Path) -> Task:
    """One network with one seed, both ways."""
    recipe = RECIPES[name]
    epochs = recipe.epochs[0] + 2 * (recipe.epochs[1] + recipe.epochs[2])
    return Task(f"{name}, seed {seed}", recipe.cost * epochs, lambda tell: _do(name, images, seed, quick, stem, tell))


def _do(name: str, images: Images, seed: int, quick: bool, stem: Path, tell: Tell) -> Result:
    stem.parent.mkdir(parents=True, exist_ok=True)
    recipe = RECIPES[name]

    def trained(model: nn.Module, step: Phase, way: str) -> nn.Module:
        path = stem.with_name(f"{stem.name}.{name}.seed{seed}.{way}.pt")
        run_phases(model, images.train, [step], checkpoint=path, progress=seldom(tell))
        return model

    def error_of(model: nn.Module) -> float:
        return error_rate(model, images.test)

    dense, of_dsd, of_control = recipe.steps(recipe.make(seed), seed, quick)
    model = trained(recipe.make(seed), dense, "dense")
    errors = {"dense": error_of(model)}
    for number, step in enumerate(of_control):
        model = trained(model, step, f"control{number}")
    errors["control"] = error_of(model)
    model = trained(recipe.make(seed), dense, "dense")  # read from its checkpoint
    for way, step in zip(("sparse", "DSD"), of_dsd, strict=True):
        model = trained(model, step, way)
        errors[way] = error_of(model)
    n_weights = sum(layer.weight.numel() for layer in find_layers(model).values())
    return {"errors": errors, "weights": n_weights, "epochs": [step.train.epochs for step in (dense, *of_dsd)]}
