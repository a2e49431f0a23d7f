"""``eie-compress compress --calibrate``: compression without retraining, judged at once on inputs held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.console.graph_inputs import batch_axes, pairs

if TYPE_CHECKING:
    from compressor.calibration import Judgement
    from compressor.cli.settings import Settings
    from compressor.console.printer import Printer
    from compressor.types.coded import CompressedModel
    from compressor.types.dense import DenseModel

UNKNOWN = (
    "accuracy is unknown: nothing was retrained and no inputs were given; --calibrate inputs.npz makes up for what is "
    "pruned and says how far the outputs are from those of the uncompressed network"
)
"""What a user should know of a network that was compressed without inputs."""

_SHOWN_LAYERS = 4


@dataclass(frozen=True)
class Asked:
    """Options of the command line, as typed; None where one is not given.

    Attributes
    ----------
    inputs, labels : Path or None
    holdout : int or None
    damping : float or None
    batch_axis, feedback : sequence of str or None
    """

    inputs: Path | None = None
    labels: Path | None = None
    holdout: int | None = None
    damping: float | None = None
    batch_axis: Sequence[str] | None = None
    feedback: Sequence[str] | None = None

    def check(self, file: Path, given: "Settings") -> None:
        """Raise a ValueError where options contradict each other, before minutes go into anything."""
        options = {
            "--labels": self.labels,
            "--holdout": self.holdout,
            "--damping": self.damping,
            "--batch-axis": self.batch_axis,
            "--feedback": self.feedback,
        }
        if self.inputs is None:
            if option := next((name for name, value in options.items() if value), None):
                raise ValueError(f"{option}: is for --calibrate, which gives the inputs")
            return
        if file.suffix.lower() != ".onnx":
            raise ValueError(f"--calibrate: {file} has no graph to run its inputs through; give an ONNX model")
        if self.damping is not None and not 0 < self.damping < inf:
            raise ValueError(f"--damping: {self.damping}, but it must be more than 0 and finite")
        for name in ("threshold", "quality"):
            if name in given.pairs:
                raise ValueError(f"--{name}: --calibrate chooses weights by what they do to outputs; give --density")


def compressed_on_inputs(
    model: "DenseModel", given: "Settings", asked: Asked, printer: "Printer"
) -> "tuple[CompressedModel, dict[str, Any]]":
    """Compress a network on calibration inputs, and judge it on those that are held out.

    Returns
    -------
    model : CompressedModel
    document : dict
        What was found, for JSON.

    Raises
    ------
    ValueError
        If the inputs do not fit the network, or are too few, or options contradict each other.
    OSError
        If a file cannot be read.
    """
    from compressor.calibration import DAMPING, calibrated, judge, samples_of, settings_of, split
    from compressor.calibration.judge import HOLDOUT
    from compressor.checks import as_integers
    from compressor.samples import read_arrays

    assert asked.inputs is not None
    arguments = given.of_model(model)
    init = arguments["init"] if "init" in given.pairs else None
    settings = settings_of(model, arguments["density"], arguments["weight_bits"], init)
    feedback = pairs("--feedback", asked.feedback)
    inputs = read_arrays(asked.inputs)
    samples = samples_of(model, inputs, batch_axes(asked.batch_axis), feedback)
    every = asked.holdout or HOLDOUT
    chosen, held = split(len(samples), every, bool(feedback))
    if not held:
        raise ValueError(
            f"--holdout: every {every}th of {len(samples)} samples leaves none to judge by; give more inputs"
        )
    labels = None
    if asked.labels is not None:
        array = read_arrays(asked.labels)
        if isinstance(array, dict):
            raise ValueError(f"--labels: {asked.labels} is an archive of arrays; expected a .npy file")
        labels = as_integers(str(asked.labels), array, np.int64)
        if labels.shape != (len(samples),):
            raise ValueError(f"--labels: shape {labels.shape}, but there are {len(samples)} samples of {asked.inputs}")
        labels = labels[held]
    names = [tensor.name for tensor in model.tensors]
    with printer.progress(len(names)) as advance:
        advance(names[0])
        found = calibrated(
            model,
            samples.chosen(chosen),
            settings,
            DAMPING if asked.damping is None else asked.damping,
            given.seed or 0,
            feedback,
            progress=lambda _, done, total: advance(names[min(done, total - 1)], done=1),
        )
    judgement = judge(model, found.model, samples.chosen(held), labels, feedback)
    if labels is not None and all(one.correct is None for one in judgement.outputs):
        raise ValueError("--labels: no output of the network is a vector of scores of classes")
    where = f"calibrated on {len(chosen)} samples of {asked.inputs}, judged on {len(held)} others"
    printer.note(f"{where} ({'the last' if feedback else 'every'} {_part(every, bool(feedback))})")
    _say(judgement, printer)
    return found.model, _document(judgement, len(chosen))


def _part(every: int, is_sequence: bool) -> str:
    return f"1/{every}" if is_sequence else f"{every}th"


def _say(judgement: "Judgement", printer: "Printer") -> None:
    n = judgement.n
    for one in judgement.outputs:
        same = ""
        if one.agreeing is not None:
            same = f"the same best class for {one.agreeing} of {n} ({100 * one.agreeing / n:.1f} %), "
        text = f"{one.name}: {same}relative error {100 * one.error:.2f} %"
        if one.correct is not None and one.correct_before is not None:
            text += f"; top-1 accuracy {100 * one.correct / n:.1f} %, uncompressed {100 * one.correct_before / n:.1f} %"
        printer.note(text)
    worst = sorted(judgement.layers, key=lambda name: -judgement.layers[name])[:_SHOWN_LAYERS]
    listed = ", ".join(f"{name} {100 * judgement.layers[name]:.1f} %" for name in worst)
    printer.note(f"largest relative errors of layers' outputs: {listed}")
    if not judgement.is_good:
        printer.warn(
            "the outputs are far from those of the uncompressed network; give a larger --density or more "
            f"--weight-bits, first to {worst[0]}, or more inputs, or retrain (eie-compress train)"
        )


def _document(judgement: "Judgement", n_calibrated: int) -> dict[str, Any]:
    return {
        "calibration_samples": n_calibrated,
        "held_out_samples": judgement.n,
        "outputs": [
            {
                "name": one.name,
                "relative_error": one.error,
                "agreeing": one.agreeing,
                "correct": one.correct,
                "correct_uncompressed": one.correct_before,
            }
            for one in judgement.outputs
        ],
        "relative_error_of_layers": dict(judgement.layers),
        "is_good": judgement.is_good,
    }
