"""One training of ``eie-compress train``: the network, its images, what became of both, and the table of phases."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from compressor.cli.schedule import TrainingPlan, kinds_of
from compressor.console.grid import column, grid
from compressor.console.printer import Printer, plural
from compressor.data.datasets import Dataset, held_out
from compressor.importers.graphs import with_graph
from compressor.networks import activations_of, network
from compressor.training import PhaseRecord, TensorData, compressed_model_of, run_phases, total_epochs
from compressor.training.export import save_state_dict
from compressor.types.coded import CompressedModel

_SIDES = {"lenet-300-100": 28, "lenet-5": 28, "lstm-classifier": None}
"""Networks that take grey images, and the rows and columns these must have."""


def check_trainable(name: str) -> None:
    """Check that `name` is a network that takes images.

    Raises
    ------
    ValueError
        When it is not.
    """
    if name not in _SIDES:
        raise ValueError(f"network: {name!r}, but those that are trained on images here are {', '.join(_SIDES)}")


class TrainingRun:
    """A network on its way.

    Parameters
    ----------
    name : str
        Of the network.
    dataset : Dataset
    hold_out : int or None
        Training images to measure errors on, in place of the test images.
    plan : TrainingPlan

    Attributes
    ----------
    records : list of PhaseRecord
        Of `run`.

    Raises
    ------
    ValueError
        When the network does not take these images, or a setting is out of its limits.
    """

    def __init__(self, name: str, dataset: Dataset, hold_out: int | None, plan: TrainingPlan) -> None:
        check_trainable(name)
        self.name = name
        self.dataset = dataset if hold_out is None else held_out(dataset, hold_out, plan.seed)
        rows, columns = dataset.train_images.shape[1:]
        side = _SIDES[name]
        if side is not None and (rows, columns) != (side, side):
            raise ValueError(f"--data: images of {rows} x {columns}, but {name} takes {side} x {side}")
        inputs = {"n_inputs": columns} if side is None else {}  # a recurrent network reads images row by row
        self.model = network(name, seed=plan.seed, n_classes=dataset.n_classes, **inputs)
        self.phases = plan.phases(name, self.model)
        self.records: list[PhaseRecord] = []

    def run(self, checkpoint: Path | None, printer: Printer) -> None:
        """Train, with a progress bar.

        Raises
        ------
        ValueError
            When the training diverges, or the checkpoint is of another one.
        OSError
            When the checkpoint cannot be read or written.
        """
        printer.note(f"data: {self.dataset.source}")
        if checkpoint is not None and checkpoint.exists():
            printer.note(f"going on from {checkpoint}")
        train = TensorData.of_images(self.dataset.train_images, self.dataset.train_labels)
        test = TensorData.of_images(self.dataset.test_images, self.dataset.test_labels)
        with printer.counting() as count:
            self.records = run_phases(
                self.model, train, self.phases, held_out=test, checkpoint=checkpoint, progress=count
            )

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each layer by its name."""
        return kinds_of(self.model)

    @property
    def error(self) -> float:
        """Fraction of the test images that are not recognised in the end, 0 .. 1."""
        error = self.records[-1].error_after
        assert error is not None, "there were test images"
        return error

    def compressed(self) -> CompressedModel:
        """The network with its shared weights, and where it is from."""
        provenance = {
            "network": self.name,
            "data": self.dataset.source,
            "test error": f"{self.error:.4f} of {len(self.dataset.test_labels)} images",
        }
        functions = list(activations_of(self.name).values())
        model = compressed_model_of(self.model, activations=functions, provenance=provenance)
        return with_graph(self.name, model)

    def save_state_dict(self, file: Path) -> None:
        """Write the weights for PyTorch."""
        save_state_dict(self.model, file)

    def document(self) -> dict[str, Any]:
        """What happened, for JSON."""
        return {
            "data": self.dataset.source,
            "n_train": len(self.dataset.train_labels),
            "n_test": len(self.dataset.test_labels),
            "epochs": total_epochs(self.phases),
            "phases": [asdict(record) for record in self.records],
            "error": self.error,
        }


def print_phases(run: TrainingRun, printer: Printer) -> None:
    """Print losses and errors, phase by phase."""
    records = run.records
    total = f"{plural(len(run.dataset.test_labels), 'test image')}, {plural(total_epochs(run.phases), 'epoch')} in all"
    groups = [
        column("phase", [record.name for record in records], left=True),
        column("epochs", [str(len(record.losses)) for record in records]),
        column("loss", [f"{record.losses[-1]:.4f}" if record.losses else "-" for record in records]),
        column("error % before", [_percent(record.error_before) for record in records]),
        column("after", [_percent(record.error_after) for record in records]),
    ]
    printer.lines([Text.assemble((run.name, "bold"), f": {total}"), ""])
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:.2f}"
