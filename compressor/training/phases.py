"""`Phase` and `run_phases`: a schedule is a sequence of steps, each with the training that follows it.

Dense training, pruning rounds, re-densing, sharing and the tuning of centroids are all phases, so that one loop runs
every schedule, records its errors, and resumes it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from compressor.training.batches import Batches, data_digest
from compressor.training.checkpoint import load_checkpoint, load_model_state, model_state, save_checkpoint
from compressor.training.dropout import kept_dropout_rates, pruned_rates, set_dropout_rates
from compressor.training.trainer import Progress, Trainer, TrainSettings, cross_entropy, error_rate


class Step(Protocol):
    """What changes the form of a network: `Prune`, `Share` or `Release`."""

    def apply(self, model: nn.Module) -> None:
        """Change `model` in place."""


@dataclass(frozen=True)
class Phase:
    """A step, then training.

    Parameters
    ----------
    name : str
        For progress and records.
    train : TrainSettings
    step : Prune, Share, Release or None
        Taken before the training.
    dropout_rule : bool
        Lower the dropout rates as the layers before them are pruned (`compressor.training.dropout`).
    """

    name: str
    train: TrainSettings
    step: Step | None = None
    dropout_rule: bool = True


@dataclass
class PhaseRecord:
    """What happened in a phase.

    Attributes
    ----------
    name : str
    error_before : float or None
        On the held-out data after the step, before the training; None without such data.
    losses : list of float
        Mean loss of each epoch.
    errors : list of float
        On the held-out data after each epoch; empty without such data.
    """

    name: str
    error_before: float | None = None
    losses: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    @property
    def error_after(self) -> float | None:
        """Error at the end of the phase."""
        return self.errors[-1] if self.errors else self.error_before


def total_epochs(phases: Sequence[Phase]) -> int:
    """Epochs of all phases together."""
    return sum(phase.train.epochs for phase in phases)


def run_phases(
    model: nn.Module,
    data: object,
    phases: Sequence[Phase],
    *,
    held_out: object | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    keep_every: int = 1,
) -> list[PhaseRecord]:
    """Run a schedule on `model`, in place.

    The same model, data, phases and number of threads give the same bytes, and so does a run that was interrupted,
    however often, and started again with the same `checkpoint`.

    Parameters
    ----------
    model : torch.nn.Module
        Its outputs are logits, classes in axis 1. Where the checkpoint is there, only its architecture counts.
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
    phases : sequence of Phase
    held_out : as `data`, or None
        For the errors in the records; nothing is chosen by them.
    checkpoint : path or None
        File to resume from where it is there, and to keep the state in.
    progress : function of (done, total, text), or None
        Called after each batch with the batches done and those of all phases (0: not known).
    loss : function of (outputs, labels) to a scalar
    keep_every : int
        Epochs between two checkpoints; one is always kept after the last epoch of a phase.

    Raises
    ------
    ValueError
        When a setting is out of its limits, the training diverges, or the checkpoint is of another schedule, model or
        data (what is iterated over is taken on trust).
    """
    return _Run(model, data, tuple(phases), held_out, checkpoint, progress, loss, keep_every).run()


def train(
    model: nn.Module, data: object, settings: TrainSettings, *, name: str = "train", **options: Any
) -> PhaseRecord:
    """Train without a step before: one phase, with the options of `run_phases`."""
    return run_phases(model, data, [Phase(name, settings)], **options)[0]


@dataclass
class _Run:
    model: nn.Module
    data: object
    phases: tuple[Phase, ...]
    held_out: object | None
    checkpoint: str | Path | None
    progress: Progress | None
    loss: Callable[[Tensor, Tensor], Tensor]
    keep_every: int
    records: list[PhaseRecord] = field(default_factory=list)
    batches_done: int = 0
    digests: list[str] = field(default_factory=list)

    def run(self) -> list[PhaseRecord]:
        with kept_dropout_rates(self.model) as rates:
            at, trainer_state = self._resume()
            for number in range(at, len(self.phases)):
                self._run_phase(number, rates, trainer_state)
                trainer_state = None
        return self.records

    def _run_phase(self, number: int, rates: dict[str, float], trainer_state: dict[str, Any] | None) -> None:
        phase = self.phases[number]
        if trainer_state is None:
            if phase.step is not None:
                phase.step.apply(self.model)
            self.records.append(PhaseRecord(phase.name, self._error()))
        set_dropout_rates(self.model, pruned_rates(self.model, rates) if phase.dropout_rule else rates)
        trainer = Trainer(self.model, self.data, phase.train, self.loss, number)
        if trainer_state is not None:
            trainer.load_state(trainer_state)
        record = self.records[-1]
        while trainer.epoch < phase.train.epochs:
            record.losses.append(trainer.run_epoch(self._reporter(trainer, phase)))
            self.batches_done += len(trainer.batches)
            error = self._error()
            if error is not None:
                record.errors.append(error)
            is_due = trainer.epoch % self.keep_every == 0 or trainer.epoch == phase.train.epochs
            if self.checkpoint is not None and is_due:
                content = {
                    "schedule": _fingerprint(self.phases),
                    "data": self._data_digests(),
                    "phase": number,
                    "trainer": trainer.state(),
                    "model": model_state(self.model),
                    "records": [asdict(record) for record in self.records],
                    "batches_done": self.batches_done,
                }
                save_checkpoint(Path(self.checkpoint), content)

    def _reporter(self, trainer: Trainer, phase: Phase) -> Callable[[int], object] | None:
        progress = self.progress
        if progress is None:
            return None
        total = sum(len(Batches(self.data, p.train.batch_size)) * p.train.epochs for p in self.phases)
        text = f"{phase.name}, epoch {trainer.epoch + 1} of {phase.train.epochs}"
        error = self.records[-1].error_after
        text += "" if error is None else f", error {error:.2%}"
        before = self.batches_done
        return lambda done: progress(before + done, total, text)

    def _error(self) -> float | None:
        return None if self.held_out is None else error_rate(self.model, self.held_out)

    def _data_digests(self) -> list[str]:
        """Of the examples and the held-out ones: a run goes on with those it began with."""
        if not self.digests:
            self.digests = [data_digest(self.data), "" if self.held_out is None else data_digest(self.held_out)]
        return self.digests

    def _resume(self) -> tuple[int, dict[str, Any] | None]:
        """The phase to go on with, and the state of its trainer; the first phase where there is no checkpoint."""
        path = None if self.checkpoint is None else Path(self.checkpoint)
        if path is None or not path.exists():
            return 0, None
        content = load_checkpoint(path)
        if content.get("schedule") != _fingerprint(self.phases):
            raise ValueError(f"{path}: it is of another schedule; remove it or give another file")
        load_model_state(self.model, content["model"])
        if content.get("data", self._data_digests()) != self._data_digests():
            raise ValueError(f"{path}: it is of other data; remove it or give another file")
        self.records = [PhaseRecord(**record) for record in content["records"]]
        self.batches_done = content["batches_done"]
        return content["phase"], content["trainer"]


def _fingerprint(phases: Sequence[Phase]) -> str:
    """The phases as a text: two schedules are the same when it is."""
    return json.dumps([{**asdict(phase), "kind": type(phase.step).__name__} for phase in phases], sort_keys=True)
