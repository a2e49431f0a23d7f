"""A network's answers through the machine, and the cycles of each input."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import compressor.models
from compressor import compress_model
from compressor.importers import write_onnx
from compressor.models import packaged_digits, packaged_model
from eie_sim import plan_network, preset, run_network
from eie_sim.inference import classify
from tests.graphs import with_images

ARCH = preset("eie-64pe-45nm").replace(n_pe=8)


def small_network(seed=0):
    """A convolution and two matrices, with their graph."""
    rng = np.random.default_rng(seed)
    weights = {"conv1": rng.normal(size=(3, 1, 3, 3)), "ip1": rng.normal(size=(7, 12))}
    return with_images(compress_model({**weights, "ip2": rng.normal(size=(5, 7))}, density=0.8), (1, 6, 6))


def images(n=6, seed=1):
    return np.maximum(np.random.default_rng(seed).normal(size=(n, 6, 6)), 0).astype(np.float32)


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_each_input_takes_the_cycles_and_gets_the_answer_it_would_have_alone(arithmetic):
    arch, model = (
        ARCH.replace(arithmetic=arithmetic, act_frac_bits=9 if arithmetic != "float32" else None),
        small_network(),
    )
    found = classify(model, images(), np.arange(6) % 5, arch)
    plan = plan_network(model, arch)
    for at, image in enumerate(images()):
        alone = run_network(plan, image[None, None])
        assert found.cycles[at] == alone.cycles
        assert found.predicted[at] == alone.outputs["y"].argmax()
        assert found.time_us[at] == pytest.approx(alone.time_us)


def test_accuracy_is_right_answers_over_all():
    found = classify(small_network(), images(), np.zeros(6, int), ARCH)
    right = classify(small_network(), images(), found.predicted, ARCH)
    assert right.accuracy == 1.0
    assert found.correct == int((found.predicted == 0).sum())
    assert "6 of 6 right" in repr(right)


def test_convolutions_run_on_the_machine():
    found = classify(small_network(), images(), np.zeros(6, int), ARCH)
    assert [node.products for node in found.network.nodes.values()] == [6 * 16, 6, 6]


def test_progress_is_reported_up_to_the_last_input():
    steps = []
    classify(small_network(), images(), np.zeros(6, int), ARCH, progress=lambda *step: steps.append(step))
    assert steps[-1] == (6, 6)


def test_labels_must_be_as_many_as_images():
    with pytest.raises(ValueError, match="one for each"):
        classify(small_network(), images(), np.zeros(5, int), ARCH)


def test_the_answers_are_those_of_the_graph(tmp_path):
    """ONNX Runtime on the decoded weights."""
    model = small_network()
    write_onnx(model, None, tmp_path / "m.onnx")
    scores = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": images(64)[:, None]})[0]
    assert classify(model, images(64), scores.argmax(axis=1), ARCH).accuracy == 1.0


def test_matrices_without_a_graph_are_refused():
    model = compress_model({"ip1": np.ones((5, 36))}, density=1.0)
    with pytest.raises(ValueError, match="has no graph, so that nothing says how its layers are connected"):
        classify(model, images(), np.zeros(6, int), ARCH)


@pytest.mark.compiled_only
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
def test_the_packaged_networks_read_handwritten_digits_through_the_machine(name, arithmetic):
    digits, arch = packaged_digits(), preset("eie-64pe-45nm").replace(arithmetic=arithmetic)
    found = classify(packaged_model(name), digits.inputs(), digits.labels, arch)
    assert len(found) == 256
    assert found.accuracy > 0.95
    assert found.arch.arithmetic == arithmetic
    assert found.network.saturations == 0
    assert (found.cycles > 200).all()


def test_fraction_bits_are_chosen_for_each_layer_so_that_every_sum_fits():
    chosen = classify(small_network(), images(), np.zeros(6, int), ARCH.replace(arithmetic="fixed16"))
    assert chosen.network.saturations == 0
    assert len({node.frac_bits for node in chosen.network.nodes.values()}) > 1


def test_fraction_bits_that_the_machine_has_are_those_of_every_layer():
    arch = ARCH.replace(arithmetic="fixed16", act_frac_bits=13)
    cut = classify(small_network(), images(), np.zeros(6, int), arch)
    assert {node.frac_bits for node in cut.network.nodes.values()} == {13}
    assert cut.network.saturations > 0


def test_packaged_models_and_digits_take_at_most_200_kilobytes():
    folder = Path(compressor.models.__file__).parent
    files = [path for path in folder.iterdir() if path.suffix in (".dcz", ".npz")]
    assert {path.name for path in files} >= {"lenet-300-100.dcz", "digits.npz"}
    assert sum(path.stat().st_size for path in files if path.name != "lenet-5.dcz") <= 200_000


def test_a_model_that_is_not_packaged_is_refused_by_name():
    with pytest.raises(ValueError, match="model: 'alexnet', but it must be one of lenet-300-100, lenet-5"):
        packaged_model("alexnet")
