"""A model's graph in `.dcz` and `.eie` files: the same again when it is read, and refused when it is forged."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from compressor import PackedModel, compress_model, load_compressed, load_model, save_compressed, save_model
from compressor.accounting import account, account_file
from compressor.storage.document import _digest
from compressor.storage.files import FormatError
from compressor.types.network import Kept, Network, Use, percentage
from tests.examples import examples


def use(node, tensors, sizes, operator="Gemm", macs=None):
    return Use(node, operator, 1, f"{node}_out", tensors, sizes, {"transB": 1, "pads": [0, 1]}, ("x",), ("y",), macs)


NETWORK = Network(
    b"\x08\x0a not read here",
    (use("fc1", ("fc1",), (12,), macs=12), use("fc2", ("fc2",), (6,), macs=6)),
    (Kept("emb", "constant", "embedding table of 'g'", 82, 0), Kept("att", "MatMul", "both are computed", 0, 82)),
)


def coded(network=NETWORK):
    rng = np.random.default_rng(0)
    weights = {"fc1": rng.normal(size=(3, 4)), "fc2": rng.normal(size=(2, 3))}
    model = compress_model(weights, 1.0)
    return replace(model, network=network, others={"scale": np.float32([[1, 2]]), "one": np.float32(3)})


def document_of(path, key):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][key])


def forged(path, key, change, drop=()):
    """Write the file at `path` again with another document and without some tensors, its digest made right."""
    document, tensors = document_of(path, key), load_file(path)
    change(document)
    tensors = {name: array for name, array in tensors.items() if name not in drop}
    document["sha256"] = _digest({k: v for k, v in document.items() if k != "sha256"}, tensors)
    save_file(tensors, path, {key: json.dumps(document, sort_keys=True, separators=(",", ":"))})


def test_a_compressed_file_holds_the_graph(tmp_path):
    path = tmp_path / "m.dcz"
    save_compressed(coded(), path)
    again = load_compressed(path)
    assert again == coded()
    assert again.network == NETWORK
    assert document_of(path, "dcz_model")["format_version"] == 2


def test_the_graph_is_a_column_of_its_own_and_every_byte_is_in_one(tmp_path):
    path = tmp_path / "m.dcz"
    save_compressed(coded(), path)
    found = account_file(path)
    assert found.graph_bytes == len(NETWORK.onnx)
    total = found.header_bytes + found.others_bytes + found.graph_bytes + found.total.file.total
    assert total == found.file_bytes == path.stat().st_size
    assert account(coded()) == found
    # What is added to the file is added to what it is compared with.
    assert found.dense_bytes == account(coded(None)).dense_bytes + found.graph_bytes


def test_a_packed_file_holds_the_graph_and_the_kept_parameters(tmp_path):
    path = tmp_path / "m.eie"
    packed = coded().pack(4)
    assert packed.chained
    save_model(packed, path)
    again = load_model(path)
    assert (again.network, again.chained) == (NETWORK, True)
    assert {name: array.tolist() for name, array in again.others.items()} == {"scale": [[1, 2]], "one": 3}


@pytest.mark.parametrize("between", ["", "Add 'a' is between 'fc1' and 'fc2'"])
def test_layers_are_a_chain_where_the_graph_says_so(between, tmp_path):
    packed = coded(replace(NETWORK, between=between)).pack(4)
    assert packed.chained == (not between)
    save_model(packed, tmp_path / "m.eie")
    assert load_model(tmp_path / "m.eie").chained == (not between)


def test_matrices_without_a_graph_are_a_set_and_a_packed_model_of_layers_is_a_chain(tmp_path):
    packed = coded(None).pack(4)
    assert not packed.chained
    save_model(packed, tmp_path / "m.eie")
    assert not load_model(tmp_path / "m.eie").chained
    assert PackedModel(packed.layers, packed.activations).chained


def test_only_neighbours_of_a_chain_are_a_chain():
    uses = tuple(use(name, (name,), (1,)) for name in "abc")
    network = Network(b"", (use("conv", ("conv",), (1,), "Conv"), *uses), ())
    assert network.chains(["a", "b", "c"])
    assert network.chains(["b", "c"])
    assert not network.chains(["a", "c"])
    assert not network.chains(["b", "a"])
    assert not network.chains(["conv", "a"])
    assert not replace(network, between="an Add").chains(["a", "b"])


def test_fractions_are_of_the_whole_network():
    found = NETWORK.coverage(["fc1"])
    assert str(found) == "1 of 3 products, 12.0 % of the weights, 12.0 % of the multiply-accumulates"
    unknown = replace(NETWORK, kept=(*NETWORK.kept, Kept("c", "Conv", "computed", 0, None)))
    assert "multiply-accumulates unknown for 1 of 4 products" in str(unknown.coverage(["fc1"]))


@settings(max_examples=examples(200))
@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_a_percentage_reads_0_or_100_only_where_it_is_exactly_that(part, whole):
    part = min(part, whole)
    text = percentage(part, whole)
    value = float(text.removesuffix(" %"))
    assert (value == 0) == (part == 0)
    assert (value == 100) == (part == whole)
    assert value == pytest.approx(100 * part / whole, rel=0.1, abs=0.06)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d["network"].pop("uses"), "network: must be an object"),
        (lambda d: d["network"]["uses"][0].update(tensors="fc1"), "use 0: tensors is 'fc1'"),
        (lambda d: d["network"]["uses"][0].update(tensors=[1]), "use 0: tensors must be a list of names"),
        (lambda d: d["network"]["uses"][0].update(sizes=[1, 2]), "use 0: 2 sizes of 1 tensors"),
        (lambda d: d["network"]["uses"][0].update(sizes=[-1]), "sizes of use 0"),
        (lambda d: d["network"]["uses"][0].update(macs=-1), "macs of use 0"),
        (lambda d: d["network"]["kept"][0].update(n_weights=2**63), "n_weights of kept 0"),
        (lambda d: d["network"].update(between=None), "between is None"),
        (lambda d: d["network"]["uses"][0].update(tensors=[], sizes=[]), "use 0: tensors must name one at least"),
        (lambda d: d["network"]["uses"][0].update(attributes={"strides": [[1]]}), "use 0: attribute 'strides'"),
        (lambda d: d["network"]["uses"][0].update(attributes={"strides": 2}), "use 0: attribute 'strides'"),
        (lambda d: d["network"]["uses"][0].update(attributes={"group": None}), "use 0: attribute 'group'"),
        (lambda d: d.update(network=None), "network"),
    ],
)
@pytest.mark.parametrize("suffix", ["dcz", "eie"])
def test_a_forged_network_is_refused(suffix, change, match, tmp_path):
    path = tmp_path / f"m.{suffix}"
    load = load_compressed if suffix == "dcz" else load_model
    if suffix == "dcz":
        save_compressed(coded(), path)
    else:
        save_model(coded().pack(4), path)
    forged(path, "dcz_model" if suffix == "dcz" else "eie_model", change)
    with pytest.raises(FormatError, match=match):
        load(path)


@pytest.mark.parametrize("suffix", ["dcz", "eie"])
def test_a_network_without_its_graph_is_refused(suffix, tmp_path):
    path = tmp_path / f"m.{suffix}"
    if suffix == "dcz":
        save_compressed(coded(), path)
        load = load_compressed
    else:
        save_model(coded().pack(4), path)
        load = load_model
    forged(path, "dcz_model" if suffix == "dcz" else "eie_model", lambda _: None, drop=["graph"])
    with pytest.raises(FormatError, match="tensor 'graph': must be there"):
        load(path)
