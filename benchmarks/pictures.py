"""The pictures of the README, drawn anew: the machine, the nine layers beside EIE Table IV, the PEs over time, the
digits that a packaged network read, and the photo that the authors' SqueezeNet read (EIE_SIM_SQUEEZENET names its
folder).

The same sources give the same bytes (with one release of matplotlib), so a picture that changes shows a change.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.figures.machine_diagram import machine
from benchmarks.figures.photo import AnsweredPhoto, answered_photo, photo_with_answer
from benchmarks.harness import Figure, Report, as_if_it_fitted, command
from benchmarks.reproduction.model_sizes import NET_VARIABLE, find_net
from compressor.importers import read_deep_compression_net
from compressor.models import MODELS, packaged_digits, packaged_model
from eie_sim import SimResult, plan_network, preset, run_network, simulate
from eie_sim.inference import classify
from eie_sim.paper import LAYERS, MACHINE
from eie_sim.report import figures, plots
from eie_sim.report.tables import result_row
from eie_sim.sources.photo import MEAN_BGR, photo_inputs
from eie_sim.workload import calibrated_layer

MOST_KB = 200
"""Size of a picture that loads with its page."""

CATS = {285: "Egyptian cat", 282: "tiger cat", 281: "tabby", 287: "lynx", 293: "cheetah"}
"""Some classes of ImageNet (ILSVRC 2012), numbered in the order of their synsets."""

SEED = 0
MAPPED_LAYER = "Alex-7"
MODEL = "lenet-5"
NOTE = f"{MACHINE}; layers drawn with statistics fitted to the figures of the paper, seed {SEED}"


def simulated(layer: str) -> SimResult:
    workload = calibrated_layer(layer, SEED)
    return simulate(workload.layer, workload.acts, preset(MACHINE), output=False, schedule=layer == MAPPED_LAYER)


def answered_digits() -> figures.AnsweredDigits:
    model, digits = packaged_model(MODEL), packaged_digits()
    machines = (preset(MACHINE), preset(MACHINE).replace(arithmetic="fixed16"))
    runs = [classify(model, digits.inputs(), digits.labels, machine) for machine in machines]
    return figures.answered_digits(MODELS[MODEL], digits.images, runs)


def answered_cat(network: Path) -> AnsweredPhoto:
    """The authors' SqueezeNet with the photo of a cat that scikit-image has (in the public domain)."""
    from skimage.data import chelsea

    model = read_deep_compression_net(network)
    assert model.network is not None
    plan = plan_network(model, preset(MACHINE).replace(weight_bits=8))
    inputs = photo_inputs(model.network, chelsea())
    # What the network sees, in colours again, in steps of 8, so that the file is small.
    (seen,) = next(iter(inputs.values())).transpose(0, 2, 3, 1) + np.array(MEAN_BGR)
    pixels = np.clip(np.rint(seen[:, :, ::-1]), 0, 255).astype(np.uint8) // 8 * 8 + 4
    return answered_photo("SqueezeNet, the authors' weights", pixels, run_network(plan, inputs), CATS)


def draw_all(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    results = {layer: simulated(layer) for layer in LAYERS}
    times = figures.layer_times(map(result_row, results.values()), NOTE)
    diagram = machine()
    network = find_net()
    if network is None:
        print(f"squeezenet.png: left out; {NET_VARIABLE} names the folder of compressed_SqueezeNet.net")
    photos = [] if network is None else [photo_with_answer(answered_cat(network))]
    return [
        *(plots.save(photo, folder / "squeezenet.png") for photo in photos),
        plots.save(diagram, folder / "machine.png"),
        plots.save(diagram, folder / "machine.svg"),
        plots.save(plots.layer_times(times), folder / "nine_layers.png"),
        plots.save(plots.answered_digits(answered_digits()), folder / "digits.png"),
        plots.save(
            plots.utilisation_map(figures.utilisation_map(results[MAPPED_LAYER])),
            folder / f"heatmap_{MAPPED_LAYER.lower().replace('-', '')}.png",
        ),
    ]


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    with as_if_it_fitted():
        written = draw_all(options.out)
    sizes = tuple(Figure(str(path), path.stat().st_size / 1000, "kB", MOST_KB) for path in written)
    return Report(sizes, facts={"seconds": round(time.perf_counter() - began, 2)})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR", help="default docs/images")


if __name__ == "__main__":
    sys.exit(command("pictures", __doc__, measure, add_options=add_options))
