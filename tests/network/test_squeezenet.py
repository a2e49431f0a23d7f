"""The authors' compressed SqueezeNet with the photo of a cat: every product, every cycle."""

import json

import numpy as np
import pytest

from compressor.importers import read_deep_compression_net
from eie_sim import plan_network, preset, run_network

ARCH = preset("eie-64pe-45nm").replace(weight_bits=8)
CAT = 285  # Egyptian cat

pytestmark = [pytest.mark.compiled_only]


@pytest.fixture(scope="module")
def photo(squeezenet):
    """The photo and what the machine takes for it; skips where they are not beside the network."""
    path = squeezenet.with_name("chelsea_227.npy")
    if not path.is_file():
        pytest.skip("no photo beside the compressed SqueezeNet")
    expected = json.loads(squeezenet.with_name("expected_chelsea.json").read_text())
    return np.load(path), expected, np.load(squeezenet.with_name("expected_chelsea_logits.npy"))


@pytest.fixture(scope="module")
def model(squeezenet):
    return read_deep_compression_net(squeezenet)


def test_every_layer_takes_the_products_and_cycles_of_the_contract(model, photo):
    images, expected, logits = photo
    result = run_network(plan_network(model, ARCH), images)
    assert (result.products, result.cycles) == (expected["products"], expected["cycles"]) == (49_026, 8_784_259)
    for name, wanted in expected["layers"].items():
        node = result.nodes[name]
        found = {"products": node.products, "cycles": node.cycles, "broadcasts": node.counts.broadcasts}
        assert found == wanted, name
    assert list(result.nodes) == list(expected["layers"])
    (scores,) = result.outputs.values()
    assert np.abs(scores.ravel() - logits.ravel()).max() <= 1e-4 * np.abs(logits).max()
    assert scores.argmax() == CAT


def test_16_bits_with_calibrated_fraction_bits_see_the_same_cat_and_saturate_nowhere(model, photo):
    images, _, _ = photo
    plan = plan_network(model, ARCH.replace(arithmetic="fixed16"))
    result = run_network(plan, images)
    (scores,) = result.outputs.values()
    chances = np.exp(scores - scores.max()).ravel()
    assert scores.argmax() == CAT
    assert (chances / chances.sum())[CAT] == pytest.approx(0.563, abs=2e-3)
    assert result.saturations == 0
    assert {node.frac_bits for node in result.nodes.values()} <= set(range(1, 8))


def test_winograd_multiplies_less_than_half_as_often_and_sees_the_same_cat(model, photo):
    images, _, _ = photo
    plain, winograd = (run_network(plan_network(model, ARCH, lowering=way), images) for way in ("im2col", "winograd"))
    name = "fire2/conv3x3_2"
    assert winograd.nodes[name].products == 16 * 28 * 28  # patches of 55 x 55 outputs
    # 2.25 times fewer where the patches fit; 55 is no even number.
    ratio = plain.nodes[name].macs_dense / winograd.nodes[name].macs_dense
    assert ratio == pytest.approx(2.25 * (55 / 56) ** 2)
    of_3x3 = [(plain.nodes[one].cycles, winograd.nodes[one].cycles) for one in plain.nodes if "3x3" in one]
    # As docs/how-to/convolutions.md says.
    assert [sum(each) for each in zip(*of_3x3, strict=True)] == [3_141_998, 2_767_791]
    assert winograd.nodes["conv1"].cycles == plain.nodes["conv1"].cycles
    (scores,), (exact,) = winograd.outputs.values(), plain.outputs.values()
    assert scores.argmax() == CAT
    assert np.abs(scores - exact).max() < 0.05 * np.abs(exact).max()
