"""A network's answers through the machine, and the cycles of each input."""

from pathlib import Path

import numpy as np
import pytest

import compressor.models
from compressor import CodedTensor, CompressedModel, compress_model
from compressor.models import packaged_digits, packaged_model
from eie_sim import preset, simulate_model
from eie_sim.inference import classify, in_fixed_point

ARCH = preset("eie-64pe-45nm").replace(n_pe=8)


def small_network(seed=0):
    rng = np.random.default_rng(seed)
    weights = {"ip1": rng.normal(size=(20, 36)), "ip2": rng.normal(size=(5, 20))}
    return compress_model(weights, density=0.5)


def with_convolution(seed=0):
    rng = np.random.default_rng(seed)
    weights = {"conv1": rng.normal(size=(3, 1, 3, 3)), "ip1": rng.normal(size=(7, 12))}
    return compress_model({**weights, "ip2": rng.normal(size=(5, 7))}, density=0.8)


def images(n=6, seed=1):
    return np.maximum(np.random.default_rng(seed).normal(size=(n, 6, 6)), 0).astype(np.float32)


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_each_input_takes_the_cycles_and_gets_the_answer_it_would_have_alone(arithmetic):
    arch, model = ARCH.replace(arithmetic=arithmetic), small_network()
    found = classify(model, images(), np.arange(6) % 5, arch)
    for at, image in enumerate(images()):
        alone = simulate_model(model.pack(8), image.ravel(), arch)
        assert found.cycles[at] == alone.cycles
        assert found.predicted[at] == alone.output.argmax()
        assert found.time_us[at] == pytest.approx(alone.time_us)


def test_accuracy_is_right_answers_over_all():
    found = classify(small_network(), images(), np.zeros(6, int), ARCH)
    right = classify(small_network(), images(), found.predicted, ARCH)
    assert right.accuracy == 1.0
    assert found.correct == int((found.predicted == 0).sum())
    assert "6 of 6 right" in repr(right)


def test_convolutions_come_before_the_machine_and_cost_no_cycles():
    model = with_convolution()
    found = classify(model, images(), np.zeros(6, int), ARCH.replace(arithmetic="fixed16", act_frac_bits=9))
    assert [layer.layer for layer in found.layers] == ["ip1", "ip2"]
    # Sums reach 36, so that 9 fraction bits leave room; a step is 1/512.
    exact = classify(model, images(), np.zeros(6, int), ARCH)
    assert np.abs(found.layers[-1].output - exact.layers[-1].output).max() < 0.5


def test_progress_is_told_for_every_layer():
    told = []
    classify(with_convolution(), images(), np.zeros(6, int), ARCH, progress=lambda *step: told.append(step))
    assert told == [("conv1", 1, 3), ("ip1", 2, 3), ("ip2", 3, 3)]


def test_labels_must_be_as_many_as_images():
    with pytest.raises(ValueError, match="one for each"):
        classify(small_network(), images(), np.zeros(5, int), ARCH)


def test_a_convolution_after_a_matrix_is_refused():
    ip, conv = small_network().tensors[0], with_convolution().tensors[0]
    with pytest.raises(ValueError, match="convolutions, then matrices"):
        classify(CompressedModel((ip, conv), ("relu", "none")), images(), np.zeros(6, int), ARCH)


def test_a_recurrent_layer_is_refused():
    gates = CodedTensor("lstm", (8, 36), "lstm", np.r_[0, np.ones(15)], np.ones(288, np.uint8))
    with pytest.raises(ValueError, match="kinds lstm"):
        classify(CompressedModel((gates,), ("none",)), images(), np.zeros(6, int), ARCH)


@pytest.mark.compiled_only
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_the_packaged_network_reads_handwritten_digits_through_the_machine(arithmetic):
    model, digits = packaged_model("lenet-300-100"), packaged_digits()
    arch = preset("eie-64pe-45nm")
    exact = classify(model, digits.inputs(), digits.labels, arch)
    found = exact if arithmetic == "float32" else classify(model, digits.inputs(), digits.labels, in_fixed_point(exact))
    assert len(found) == 256
    assert found.accuracy > 0.95
    assert found.arch.arithmetic == arithmetic
    assert (found.cycles > 200).all()


def test_the_fraction_bits_hold_every_sum_of_the_float_run():
    exact = classify(small_network(), images(), np.zeros(6, int), ARCH)
    found = classify(small_network(), images(), np.zeros(6, int), in_fixed_point(exact))
    assert sum(int(layer.counts.saturations.sum()) for layer in found.layers) == 0
    tight = in_fixed_point(exact).replace(act_frac_bits=in_fixed_point(exact).act_frac_bits + 2)
    cut = classify(small_network(), images(), np.zeros(6, int), tight)
    assert sum(int(layer.counts.saturations.sum()) for layer in cut.layers) > 0


def test_packaged_models_and_digits_take_at_most_200_kilobytes():
    folder = Path(compressor.models.__file__).parent
    files = [path for path in folder.iterdir() if path.suffix in (".dcz", ".npz")]
    assert {path.name for path in files} >= {"lenet-300-100.dcz", "digits.npz"}
    assert sum(path.stat().st_size for path in files if path.name != "lenet-5.dcz") <= 200_000


def test_a_model_that_is_not_packaged_is_refused_by_name():
    with pytest.raises(ValueError, match="model: 'alexnet', but it must be one of lenet-300-100, lenet-5"):
        packaged_model("alexnet")
