"""Fig. 10: energy of a multiplication and accuracy of a network, against the precision.

The paper measures AlexNet on ImageNet. Here the LeNets of the package read real digits, through the machine in every
arithmetic: what is compared is that 16 bits lose nothing, not the height.
"""

from numpy.typing import ArrayLike

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from compressor.data.datasets import find_mnist, scaled_pixels
from compressor.models import MODELS, packaged_digits, packaged_model
from eie_sim import preset
from eie_sim.cost.technology import MULTIPLY_8, MULTIPLY_16, MULTIPLY_32
from eie_sim.inference import classify
from eie_sim.paper import FIG_10, MACHINE

BITS = {"int32": 32, "int16": 16, "int8": 8}
PJ_ERROR = 0.01
"""Of the digitised bars, pJ: float32 was read off as 3.69, where Table I prints 3.7."""

OTHER_NETWORK = "another network and data than the paper's: not judged point by point"


def reproduce(_bench: Bench) -> Reproduced:
    """Multiplications of the cost model; accuracies of two networks in four arithmetics."""
    points = []
    for name, quantity in (("int32", MULTIPLY_32), ("int16", MULTIPLY_16), ("int8", MULTIPLY_8)):
        points.append(
            Point(name, "multiply_pj", quantity.value, FIG_10.at("multiply_pj", name), "pJ", PJ_ERROR, "cost model")
        )
    images, labels, source = digits()
    lost = 0.0
    for model in MODELS:
        accuracy = accuracies_pct(model, images, labels)
        for precision, value in accuracy.items():
            paper = FIG_10.at("accuracy_pct", precision)
            points.append(
                Point(precision, "accuracy_pct", value, paper, "%", 0.5, model, judged=False, remark=OTHER_NETWORK)
            )
        lost = max(lost, accuracy["float32"] - accuracy["int16"])
    measures = {"beyond print % of multiplications": beyond_print(points), "points that 16 bits lose": lost}
    notes = (
        source,
        "Fixed point has, in each layer, the most fraction bits that hold 1.3 times every number of 16 inputs.",
    )
    return Reproduced("fig10", FIG_10, tuple(points), measures, dots_beside(points, source, columns=2), notes)


def digits() -> tuple[ArrayLike, ArrayLike, str]:
    """Real digits: the full test set of MNIST where it is found, else those of the package."""
    found = find_mnist()
    if found is not None:
        return scaled_pixels(found.test_images), found.test_labels, f"{len(found.test_labels):,} test images of MNIST"
    packaged = packaged_digits()
    return packaged.inputs(), packaged.labels, f"{len(packaged.labels)} test images of MNIST, those of the package"


def accuracies_pct(name: str, images: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Right answers in percent, by precision as the paper names it."""
    model, arch = packaged_model(name), preset(MACHINE)
    machines = {"float32": arch, **{name: arch.replace(arithmetic=f"fixed{bits}") for name, bits in BITS.items()}}
    return {name: 100 * classify(model, images, labels, machine).accuracy for name, machine in machines.items()}
