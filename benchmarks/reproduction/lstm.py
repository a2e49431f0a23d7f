"""An LSTM at 90 % sparsity through all stages: pruned, shared, Huffman coded, packed, and run on the machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.reproduction.bench import seldom
from benchmarks.reproduction.data import Images
from benchmarks.reproduction.recipes import LATER
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor import PackedModel, load_compressed, save_compressed
from compressor.accounting import FLOAT_BITS, PaperRule, paper_rule
from compressor.networks import activations_of, network
from compressor.training import Phase, Prune, Share, TrainSettings, compressed_model_of, error_rate, run_phases
from compressor.training.dsd import dense_control
from compressor.types.coded import CompressedModel
from eie_sim import preset, simulate

NETWORK = "lstm-classifier"

HIDDEN = 128

DENSITIES: Mapping[str, float] = {"lstm.weight_ih_l0": 0.10, "lstm.weight_hh_l0": 0.10, "fc": 0.25}
"""Share of the weights kept; the classifier as fc8 of AlexNet (Deep Compression, Table 4)."""

FIRST_ROUND = 0.3
"""Density of the matrices of the LSTM after the first of the two rounds."""

WEIGHT_BITS = INDEX_BITS = 4
"""Of the machine (EIE, section III)."""

MACHINE = "eie-64pe-45nm"

RATE, BATCH, CLIP = 2e-3, 64, 1.0
DENSE_EPOCHS, ROUND_EPOCHS, TUNE_EPOCHS = 8, (3, 7), 2
TUNE_RATE = 2e-4

SETTINGS = [
    *(HIDDEN, dict(DENSITIES), FIRST_ROUND, WEIGHT_BITS, RATE, BATCH, CLIP, DENSE_EPOCHS, ROUND_EPOCHS, TUNE_EPOCHS),
    TUNE_RATE,
]
"""What a kept run depends on besides images and seed."""


@dataclass(frozen=True)
class LSTMRun:
    """One seed.

    Attributes
    ----------
    images : Images
    seed : int
    quick : bool
        An epoch each.
    stem : Path
    """

    images: Images
    seed: int
    quick: bool
    stem: Path

    @property
    def stored(self) -> Path:
        """The .dcz file."""
        return self.stem.with_name(f"{self.stem.name}.seed{self.seed}.dcz")

    def _settings(self, epochs: int, rate: float, later: int, cut: float = 1.0) -> TrainSettings:
        epochs = 1 if self.quick else epochs
        cuts = ((max(1, epochs - max(1, epochs // 3)), cut),)
        seed = self.seed + later * LATER
        return TrainSettings(epochs, rate, batch_size=BATCH, clip=CLIP, optimizer="adam", cuts=cuts, seed=seed)

    def dense(self) -> list[Phase]:
        """What compressed network and control have in common."""
        return [Phase("dense", self._settings(DENSE_EPOCHS, RATE, 0))]

    def pruning(self) -> list[Phase]:
        """Two rounds."""
        first = {name: max(FIRST_ROUND, density) for name, density in DENSITIES.items()}
        epochs = ROUND_EPOCHS
        return [
            Phase("prune 1 of 2", self._settings(epochs[0], RATE, 1), Prune(first)),
            Phase("prune 2 of 2", self._settings(epochs[1], RATE, 2, 0.1), Prune(DENSITIES)),
        ]

    def sharing(self) -> list[Phase]:
        """Codes that suit the machine, which codes biases too."""
        return [Phase("share", self._settings(TUNE_EPOCHS, TUNE_RATE, 3, 0.1), Share(WEIGHT_BITS, with_bias=True))]

    @property
    def epochs(self) -> int:
        """Of the compressed run, and of the control."""
        return sum(phase.train.epochs for phase in [*self.dense(), *self.pruning(), *self.sharing()])

    def task(self) -> Task:
        """All stages and the control."""
        control = dense_control([*self.pruning(), *self.sharing()])
        cost = self.epochs + sum(phase.train.epochs for phase in control)
        return Task(f"seed {self.seed}", cost, lambda tell: self._do(control, tell))

    def _do(self, control: list[Phase], tell: Tell) -> Result:
        self.stem.parent.mkdir(parents=True, exist_ok=True)
        parts = {"dense": self.dense(), "control": control, "pruned": self.pruning(), "shared": self.sharing()}
        total = sum(phase.train.epochs for phases in parts.values() for phase in phases)
        done = 0

        def run(model: nn.Module, name: str) -> nn.Module:
            nonlocal done
            mine = sum(phase.train.epochs for phase in parts[name])
            path = self.stem.with_name(f"{self.stem.name}.seed{self.seed}.{name}.pt")
            part = _part(tell, done / total, mine / total)
            run_phases(model, self.images.train, parts[name], checkpoint=path, progress=seldom(part))
            done += mine
            return model

        new: Callable[[], nn.Module] = lambda: network(NETWORK, hidden=HIDDEN, seed=self.seed)  # noqa: E731
        model = run(new(), "dense")
        errors = {"dense": error_rate(model, self.images.test)}
        errors["control"] = error_rate(run(run(new(), "dense"), "control"), self.images.test)
        errors["pruned"] = error_rate(run(model, "pruned"), self.images.test)
        errors["shared"] = error_rate(run(model, "shared"), self.images.test)
        compressed = compressed_model_of(model, activations=list(activations_of(NETWORK).values()))
        save_compressed(compressed, self.stored)
        return {"errors": errors, "epochs": self.epochs, **measured(compressed, self.stored, model, self.images)}


def _part(tell: Tell, before: float, share: float) -> Tell:
    """`tell` for a part of a task, in thousandths of the whole."""
    return lambda done, total, text: tell(round(1000 * (before + share * done / max(total, 1))), 1000, text)


# What is measured of the compressed network ---------------------------------------------------------------------------


def measured(compressed: CompressedModel, stored: Path, model: nn.Module, images: Images) -> Result:
    """Sizes, and what the matrices are on the machine."""
    rules = {tensor.name: paper_rule(tensor, INDEX_BITS) for tensor in compressed.tensors}
    return {
        "rules": {name: asdict(rule) for name, rule in rules.items()},
        "file_bytes": stored.stat().st_size,
        "packed": on_the_machine(load_compressed(stored), model, images.test.inputs[0]),
    }


def total(rules: Sequence[PaperRule]) -> PaperRule:
    """The sum of the matrices."""
    return PaperRule(**{field.name: sum(getattr(rule, field.name) for rule in rules) for field in fields(PaperRule)})


def pruned_bits(rule: PaperRule) -> int:
    """Bits after pruning, of values at full width and runs."""
    return rule.n_entries * (FLOAT_BITS + INDEX_BITS)


def on_the_machine(compressed: CompressedModel, model: nn.Module, image: Tensor) -> list[Result]:
    """Each matrix packed for 64 PEs and run once, with what it meets in the middle of `image`."""
    machine = preset(MACHINE)
    packed: PackedModel = compressed.pack(machine.n_pe, INDEX_BITS)
    inputs = _inputs(model, image)
    rows: list[Result] = []
    for layer in packed.layers:
        result = simulate(layer, inputs[layer.name], machine, output=False)
        rows.append(
            {
                "matrix": layer.name,
                "rows": layer.n_rows,
                "columns": layer.n_cols,
                "density": layer.density,
                "fillers": layer.n_fillers,
                "entries": int(np.sum(layer.entries_per_pe)),
                "spmat_bytes_per_pe": int(np.max(layer.spmat_bytes_per_pe)),
                "inputs_not_zero": int(np.count_nonzero(inputs[layer.name])),
                "cycles": result.cycles,
                "time_us": result.time_us,
                "load_balance": result.load_balance,
            }
        )
    return rows


def _inputs(model: Any, image: Tensor) -> dict[str, np.ndarray]:
    """What each matrix is multiplied with: the middle row of the image, the state before it, and the last state."""
    middle = image.shape[0] // 2
    with torch.no_grad():
        states, _ = model.lstm(image[None])
    return {
        "lstm.weight_ih_l0": image[middle].numpy(),
        "lstm.weight_hh_l0": states[0, middle - 1].numpy(),
        "fc": states[0, -1].numpy(),
    }
