"""`Trainer`: epochs of stochastic gradient descent that are the same every time, and `error_rate`.

Each epoch seeds torch's random numbers from (seed, phase, epoch), so that the order of the examples and what dropout
drops need no state of their own: an interrupted run goes on exactly as one that was not. The numbers of the caller are
left as they were.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compressor.checks import real_number, whole_number
from compressor.training.batches import Batches
from compressor.training.layers import chosen_layers, find_layers
from compressor.training.masks import masks_kept

Progress = Callable[[int, int, str], object]
"""Called with what is done, of how much (0: not known), and a text."""

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class TrainSettings:
    """How a phase of training goes.

    Parameters
    ----------
    epochs : int
        At least 0.
    rate : float
        Learning rate.
    momentum : float
        Of the SGD; also the first moment of "adam".
    l2 : float
        Weight decay, of the weights (or codebooks) alone, not of biases and normalisations.
    l1 : float
        Weight of the sum of the weights' magnitudes in the loss, of the weights alone.
    batch_size : int
    cuts : sequence of (epoch, factor)
        From this epoch of the phase on, counted from 0, the rate is multiplied by the factor.
    fixed : sequence of str
        Layers, by name or kind, that stay as they are, their biases too: ``("conv",)`` while the others are retrained.
    optimizer : {"sgd", "adam"}
    clip : float or None
        Largest norm of the whole gradient, for recurrent networks.
    seed : int

    Raises
    ------
    ValueError
        When a value is out of its limits.
    """

    epochs: int
    rate: float = 0.01
    momentum: float = 0.9
    l2: float = 0.0
    l1: float = 0.0
    batch_size: int = 64
    cuts: Sequence[tuple[int, float]] = ()
    fixed: Sequence[str] = ()
    optimizer: str = "sgd"
    clip: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        whole_number("epochs", self.epochs, 0)
        whole_number("batch_size", self.batch_size, 1)
        whole_number("seed", self.seed, 0)
        for name in ("rate", "l1", "l2"):
            if real_number(name, getattr(self, name)) < 0:
                raise ValueError(f"{name}: {getattr(self, name)}, but it must be at least 0")
        if not 0 <= real_number("momentum", self.momentum) < 1:
            raise ValueError(f"momentum: {self.momentum}, but it must be at least 0 and less than 1")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {self.optimizer!r}, but it must be one of {', '.join(OPTIMIZERS)}")
        if self.clip is not None and real_number("clip", self.clip) <= 0:
            raise ValueError(f"clip: {self.clip}, but it must be above 0")
        object.__setattr__(
            self, "cuts", tuple((whole_number("cuts", e, 0), real_number("cuts", f)) for e, f in self.cuts)
        )
        object.__setattr__(self, "fixed", (self.fixed,) if isinstance(self.fixed, str) else tuple(self.fixed))

    def rate_in(self, epoch: int) -> float:
        """Learning rate in an epoch of the phase."""
        rate = self.rate
        for first, factor in self.cuts:
            rate *= factor if epoch >= first else 1.0
        return rate


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy; classes are axis 1 of `outputs`, so that an example may have a sequence of labels."""
    return nn.functional.cross_entropy(outputs, labels)


class Trainer:
    """Trains a network, epoch by epoch.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; its outputs are logits, classes in axis 1.
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
    settings : TrainSettings
    loss : function of (outputs, labels) to a scalar
    phase : int
        Sets the random numbers of this training apart from those of others with the same seed.

    Attributes
    ----------
    epoch : int
        Epochs done.
    """

    def __init__(
        self,
        model: nn.Module,
        data: object,
        settings: TrainSettings,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        phase: int = 0,
    ) -> None:
        self.model, self.settings, self.phase = model, settings, phase
        self.batches = Batches(data, settings.batch_size)
        self.epoch = 0
        self._loss = loss
        fixed = chosen_layers(model, tuple(settings.fixed))
        self._fixed = {id(p) for layer in fixed for p in (layer.trained, layer.bias) if p is not None}
        trained = [p for p in model.parameters() if p.requires_grad and id(p) not in self._fixed]
        if not trained:
            raise ValueError(f"fixed: {settings.fixed} leaves nothing to train")
        # Weight decay is for weights alone, not for biases and normalisations.
        weights = {id(layer.trained) for layer in find_layers(model).values()}
        self._weights = [p for p in trained if id(p) in weights]
        others = [p for p in trained if id(p) not in weights]
        decays = [{"params": self._weights, "weight_decay": settings.l2}, {"params": others, "weight_decay": 0.0}]
        groups: list[dict[str, Any]] = [group for group in decays if group["params"]]
        # Fused: one pass over each parameter in place of one for each term of the update.
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(groups, settings.rate, (settings.momentum, 0.999), fused=True)
            if settings.optimizer == "adam"
            else torch.optim.SGD(groups, settings.rate, settings.momentum, fused=True)
        )

    def run_epoch(self, progress: Callable[[int], object] | None = None) -> float:
        """One pass over the data; returns the mean loss of its batches.

        Parameters
        ----------
        progress : function of int, or None
            Called after each batch with the batches done in this epoch.

        Raises
        ------
        ValueError
            If the loss is not finite any more, or there are no data.
        """
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate_in(self.epoch)
        total, count = 0.0, 0
        with (
            _seeded(settings.seed, self.phase, self.epoch),
            self._fixed_parameters(),
            _mode(self.model, True),
            masks_kept(self.model, self.optimizer) as masked,
        ):
            for count, (inputs, labels) in enumerate(self.batches.one_pass(shuffled=True), start=1):
                total += self._step(inputs, labels, *masked)
                if progress is not None:
                    progress(count)
        if not count:
            raise ValueError("data: there are no batches; an iterable must give them anew in every epoch")
        if not np.isfinite(total):
            raise ValueError(f"rate: {settings.rate} is too high, the loss is {total} in epoch {self.epoch}")
        self.epoch += 1
        return total / count

    def _step(self, inputs: Tensor, labels: Tensor, masked: list[Tensor], masks: list[Tensor]) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        with parametrize.cached():
            loss = self._loss(self.model(inputs), labels)
        torch.autograd.backward(loss)
        with torch.no_grad():
            for weight, mask in zip(masked, masks, strict=True):
                if weight.grad is not None:
                    weight.grad.mul_(mask)
            if self.settings.l1:  # its slope is added here: as a term of the loss, it would cost a pass of its own
                for weight in self._weights:
                    if weight.grad is not None:
                        weight.grad.add_(weight.sign(), alpha=self.settings.l1)
            if self.settings.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        return loss.item()

    @contextmanager
    def _fixed_parameters(self) -> Iterator[None]:
        """No gradients for fixed layers: what is not needed is not computed."""
        stopped = [p for p in self.model.parameters() if id(p) in self._fixed and p.requires_grad]
        for parameter in stopped:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in stopped:
                parameter.requires_grad_(True)

    def state(self) -> dict[str, Any]:
        """What must be kept beside the model to go on later: the epoch and the optimizer's memory."""
        return {"epoch": self.epoch, "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = whole_number("epoch", state["epoch"], 0)
        self.optimizer.load_state_dict(state["optimizer"])


@contextmanager
def _seeded(*words: int) -> Iterator[None]:
    """Torch's random numbers begin at `words`; afterwards they are as before."""
    seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Within it, PyTorch uses `n` threads in each operation; then as many as before.

    Another number of threads splits sums differently, and the last bits of a result differ.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Every module in this mode; afterwards the model in the mode it had."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


def error_rate(model: nn.Module, data: object, batch_size: int = 1000) -> float:
    """Fraction of the labels that `model` does not predict, 0 .. 1.

    Parameters
    ----------
    model : torch.nn.Module
        Its outputs are logits, classes in axis 1; run in evaluation mode.
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
    batch_size : int

    Raises
    ------
    ValueError
        When there are no data.
    """
    wrong = total = 0
    with torch.no_grad(), _mode(model, False), parametrize.cached():
        for inputs, labels in Batches(data, batch_size).one_pass(shuffled=False):
            wrong += int((model(inputs).argmax(1) != labels).sum())
            total += labels.numel()
    if not total:
        raise ValueError("data: there are no labels to compare with")
    return wrong / total
