"""PyTorch models in and out: modules by their types, state dicts by their names, files running nothing of them."""

import json
import pickle
import zipfile
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CompressedModel, compress_model
from compressor.importers.named_arrays import assumed_functions, kept_because, named_arrays
from compressor.storage.files import FormatError
from tests.examples import examples
from tests.extras import needs

torch = needs("torch", "train")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrize, prune  # noqa: E402

from compressor.importers.pytorch import load_into, read_pytorch, state_dict_of, write_pytorch  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lenet_5():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 8, 5, groups=2),
            norm=nn.BatchNorm2d(8),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(128, 20),
            dropout=nn.Dropout(),
            tanh=nn.Tanh(),
            fc2=nn.Linear(20, 10),
        )
    ).eval()


class Tagger(nn.Module):
    """An embedding, a recurrent layer and a matrix that may share its weights with the embedding."""

    def __init__(self, recurrent=nn.LSTM, tied=False, bidirectional=True):
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(7, 4)
        self.rnn = recurrent(4, 4, num_layers=2, bidirectional=bidirectional)
        self.out = nn.Linear(4 if tied else 8 if bidirectional else 4, 7)
        if tied:
            self.out.weight = self.embedding.weight

    def forward(self, words):
        states, _ = self.rnn(self.embedding(words))
        return self.out(states[..., : self.out.in_features])


def compressed(source, density=0.5, weight_bits=3, **keywords) -> CompressedModel:
    return compress_model(read_pytorch(source, **keywords), density, weight_bits=weight_bits)


def numbers(tensor):
    return tensor.detach().numpy()


def saved(found, tmp_path, name="model.pt"):
    torch.save(found, tmp_path / name)
    return tmp_path / name


def same(one, other):
    """Whether two state dicts hold the same bits."""
    assert list(one) == list(other)
    return all(one[n].dtype == other[n].dtype and torch.equal(one[n], other[n]) for n in one)


# Modules --------------------------------------------------------------------------------------------------------------


def test_a_module_is_read_by_its_types(tmp_path):
    module = lenet_5()
    model = read_pytorch(module)
    assert [(t.name, t.kind, t.shape) for t in model.tensors] == [
        ("conv1", "conv", (6, 1, 5, 5)),
        ("conv2", "conv", (8, 3, 5, 5)),
        ("fc1", "linear", (20, 128)),
        ("fc2", "linear", (10, 20)),
    ]
    assert np.array_equal(model.tensors[2].weights, numbers(module.fc1.weight))
    assert np.array_equal(model.tensors[1].bias, numbers(module.conv2.bias))
    assert list(model.others) == ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"]
    assert model.provenance["source"] == "PyTorch module Sequential"


def test_the_activation_function_is_that_of_the_module_after_it():
    assert read_pytorch(lenet_5()).activations == ("none", "host", "tanh", "none")
    layers = [
        nn.Linear(2, 2),
        nn.ReLU(),
        nn.Linear(2, 2),
        nn.Identity(),
        nn.Sigmoid(),
        nn.Linear(2, 2),
        nn.Linear(2, 2),
    ]
    assert read_pytorch(nn.Sequential(*layers)).activations == ("relu", "sigmoid", "none", "none")


class _Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 5)


@pytest.mark.parametrize(
    "between",
    [
        *([nn.LeakyReLU()], [nn.ReLU6()], [nn.GELU()], [nn.Softmax(-1)], [nn.Hardtanh()], [nn.PReLU()]),
        *([nn.BatchNorm1d(5)], [nn.LayerNorm(5)], [_Residual()], [nn.AvgPool1d(3, 1, 1)]),
        *([nn.ReLU(), nn.BatchNorm1d(5)], [nn.ReLU(), nn.Tanh()], [nn.Dropout(), nn.Sequential(nn.ELU())]),
    ],
    ids=lambda between: "-".join(type(part).__name__ for part in between),
)
def test_what_is_no_function_of_the_machine_is_the_hosts(between):
    model = read_pytorch(nn.Sequential(nn.Linear(4, 5), *between, nn.Linear(5, 3)))
    assert (model.activations[0], model.activations[-1]) == ("host", "none")
    assert "0" not in assumed_functions(model.provenance)


def test_at_the_end_of_the_network_too():
    assert read_pytorch(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(-1))).activations == (
        "relu",
        "host",
    )


def test_what_follows_on_an_inner_sequential_is_seen_and_the_hosts_work_on_a_convolution_is_not():
    inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3), nn.MaxPool2d(2))
    head = nn.Sequential(nn.Flatten(), nn.Linear(8, 5))
    whole = nn.Sequential(inner, nn.Tanh(), head, nn.Sigmoid(), nn.Linear(5, 3))
    model = read_pytorch(whole)
    assert model.activations == ("relu", "tanh", "sigmoid", "none")
    assert assumed_functions(model.provenance) == []


def test_a_layer_that_is_used_twice_is_followed_by_what_the_machine_does_not_have():
    twice = nn.Linear(4, 4)
    tied = nn.Linear(4, 4)
    tied.weight = twice.weight
    for again in (twice, tied):
        model = read_pytorch(nn.Sequential(twice, nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), again, nn.Linear(4, 2)))
        assert model.activations == ("host", "relu", "none")


def test_what_follows_at_the_end_of_an_inner_sequential_of_another_module_is_assumed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.last = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4)), nn.Linear(4, 4)

    model = read_pytorch(Net())
    assert model.activations == ("host", "relu", "none")
    assert assumed_functions(model.provenance) == ["body.2"]


def test_outside_of_a_sequential_it_is_relu_but_none_of_the_last_and_of_recurrent_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.rnn, self.last = nn.Linear(3, 3), nn.GRU(3, 3), nn.Linear(3, 3)

    assert read_pytorch(Net()).activations == ("relu", "none", "none", "none")


@pytest.mark.parametrize(
    ("recurrent", "kind", "gates"), [(nn.LSTM, "lstm", ("i", "f", "g", "o")), (nn.GRU, "gru", ("r", "z", "n"))]
)
def test_recurrent_layers_are_gate_matrices_and_the_embedding_is_kept(recurrent, kind, gates):
    module = Tagger(recurrent)
    model = read_pytorch(module)
    names = [f"rnn.weight_{w}_l{i}{d}" for i in range(2) for d in ("", "_reverse") for w in ("ih", "hh")]
    assert [t.name for t in model.tensors] == [*names, "out"]
    assert {(t.kind, t.gates) for t in model.tensors[:-1]} == {(kind, gates)}
    assert np.array_equal(model.tensors[1].bias, numbers(module.rnn.bias_hh_l0))
    assert list(model.others) == ["embedding.weight"]


@pytest.mark.parametrize("layer", [nn.Conv1d(4, 6, 3, groups=2), nn.Conv2d(4, 6, 3), nn.Conv3d(4, 6, (1, 2, 3))])
def test_convolutions_of_any_dimension_keep_their_shape(layer):
    (tensor,) = read_pytorch(layer).tensors
    assert (tensor.name, tensor.kind, tensor.shape) == ("weight", "conv", tuple(layer.weight.shape))
    assert np.array_equal(tensor.bias, numbers(layer.bias))


def test_transposed_convolutions_and_bilinear_layers_are_no_layers_of_the_machine():
    model = read_pytorch(nn.ModuleList([nn.ConvTranspose2d(2, 3, 2), nn.Bilinear(2, 2, 3), nn.Linear(2, 3)]))
    assert [t.name for t in model.tensors] == ["2"]
    assert list(model.others) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_the_projections_of_an_attention_are_weights():
    model = read_pytorch(nn.MultiheadAttention(4, 2))
    assert [t.name for t in model.tensors] == ["in_proj_weight", "out_proj"]


def test_a_matrix_that_the_embedding_shares_is_read_once_as_the_layers():
    model = read_pytorch(Tagger(tied=True))
    assert model.tensors[-1].name == "out"
    assert dict(model.others) == {}


def test_a_tied_tensor_is_noted_and_comes_back_under_both_names():
    module = Tagger(tied=True)
    model = compressed(module)
    assert json.loads(model.provenance["tied_arrays"]) == {"embedding.weight": "out.weight"}
    arrays = named_arrays(model)
    assert np.array_equal(arrays["embedding.weight"], arrays["out.weight"])
    assert "tied_arrays" not in read_pytorch(Tagger()).provenance


def test_a_file_that_holds_a_tied_tensor_once_is_written_all_the_same():
    module = Tagger(tied=True)
    model = compressed(module)
    state = {name: tensor for name, tensor in module.state_dict().items() if name != "embedding.weight"}
    assert state_dict_of(model, state).keys() == state.keys()


@pytest.mark.parametrize("name", ["embedding.weight", "out", "out.weight"])
def test_either_name_of_a_tied_tensor_keeps_it(name):
    assert list(read_pytorch(Tagger(tied=True).state_dict(), keep=[name]).others) == ["out.weight", "out.bias"]


def test_it_may_hold_it_under_its_other_name():
    module = Tagger(tied=True)
    model = compressed(module)
    state = {name: tensor for name, tensor in module.state_dict().items() if name != "out.weight"}
    new = state_dict_of(model, state)
    assert np.array_equal(numbers(new["embedding.weight"]), model.tensors[-1].dense())


def test_a_forged_note_of_ties_takes_no_memory():
    model = compressed(Tagger(tied=True))
    ties = json.dumps({f"a{n}": "out.weight" for n in range(1000)})
    forged = CompressedModel(model.tensors, model.activations, {"tied_arrays": ties}, model.others)
    with pytest.raises(ValueError, match="tied_arrays makes 112000 bytes of"):
        named_arrays(forged)


def test_functions_that_nothing_tells_are_noted():
    told = read_pytorch(lenet_5().state_dict()).provenance["assumed_relu"]
    assert json.loads(told) == ["conv1", "fc1"]
    assert "assumed_relu" not in read_pytorch(lenet_5()).provenance


def test_cells_are_recurrent_layers_too():
    assert [t.kind for t in read_pytorch(nn.LSTMCell(3, 5)).tensors] == ["lstm", "lstm"]
    assert [t.kind for t in read_pytorch(nn.GRUCell(3, 5)).tensors] == ["gru", "gru"]
    assert [t.kind for t in read_pytorch(nn.RNN(3, 5)).tensors] == ["linear", "linear"]


class Half(nn.Module):
    def forward(self, weights):
        return weights / 2


def test_parametrised_weights_are_read_as_the_module_computes_with_them():
    plain, module = Tagger(), Tagger()
    parametrize.register_parametrization(module.out, "weight", Half())
    parametrize.register_parametrization(module.rnn, "weight_hh_l0", Half())
    model, usual = read_pytorch(module), read_pytorch(plain)
    assert [t.name for t in model.tensors] == [t.name for t in usual.tensors]
    assert np.array_equal(model.tensors[-1].weights, usual.tensors[-1].weights / 2)
    assert np.array_equal(model.tensors[1].weights, usual.tensors[1].weights / 2)
    assert np.array_equal(model.tensors[-1].bias, usual.tensors[-1].bias)
    assert list(model.others) == ["embedding.weight"]


def test_weights_that_pytorch_has_pruned_are_read_with_their_zeros():
    module = lenet_5()
    prune.l1_unstructured(module.fc1, "weight", 0.75)
    model = read_pytorch(module)
    assert [t.name for t in model.tensors] == ["conv1", "conv2", "fc1", "fc2"]
    assert np.array_equal(model.tensors[2].weights, numbers(module.fc1.weight))
    assert np.count_nonzero(model.tensors[2].weights) == 640
    assert not [name for name in model.others if "fc1" in name]


def test_a_mask_that_is_not_finite_is_left_out():
    module = lenet_5()
    module.register_buffer("mask", torch.full((3, 3), -torch.inf))
    module.register_buffer("passing", torch.ones(3), persistent=False)
    assert not {"mask", "passing"} & set(read_pytorch(module).others)


def test_what_is_read_does_not_change_with_the_module():
    module = lenet_5()
    model = read_pytorch(module)
    before = model.tensors[2].weights.copy()
    with torch.no_grad():
        module.fc1.weight.zero_()
    assert np.array_equal(model.tensors[2].weights, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(dtype):
    module = lenet_5().to(dtype)
    (tensor,) = [t for t in read_pytorch(module).tensors if t.name == "fc1"]
    assert tensor.weights.dtype == np.float32
    assert np.array_equal(tensor.weights, numbers(module.fc1.weight.to(torch.float32)))


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (nn.ReLU(), "none of the 0 is a weight"),
        (nn.Embedding(3, 3), "none of the 1 is a weight"),
        (nn.LazyLinear(3), "without memory"),
        (nn.Linear(2, 2, device="meta"), "without memory"),
        ({"fc.weight": torch.eye(3).to_sparse()}, r"fc\.weight: .*sparse"),
        ({"fc.weight": torch.full((2, 2), torch.nan)}, "nan"),
        ({"a": 1}, "no tensor in it"),
        ({0: torch.ones(2, 2)}, "must be a text"),
    ],
)
def test_what_has_no_readable_weights_is_refused(source, match):
    with pytest.raises(ValueError, match=match):
        read_pytorch(source)


class Conv1D(nn.Module):
    """As Hugging Face's GPT-2 has it: the weight is (inputs, outputs)."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, values):
        return values @ self.weight + self.bias


def test_a_conv1d_of_gpt_2_is_read_transposed_and_written_back():
    torch.manual_seed(0)
    module = nn.Sequential(Conv1D(6, 4), nn.ReLU(), Conv1D(6, 6))
    model = compressed(module)
    assert [t.shape for t in model.tensors] == [(6, 4), (6, 6)]
    assert json.loads(model.provenance["transposed_kernels"]) == ["0.weight", "2.weight"]
    load_into(model, module)
    assert np.array_equal(numbers(module[0].weight), model.tensors[0].dense().T)
    (bare,) = read_pytorch(nn.Sequential(Conv1D(6, 4))).tensors
    assert bare.bias is not None


def test_what_a_module_has_beside_its_layers_is_kept_with_its_reason():
    parts = [
        nn.ConvTranspose2d(2, 3, 2),
        nn.Bilinear(2, 2, 3),
        nn.Embedding(3, 2),
        nn.LayerNorm((2, 2)),
        nn.Linear(2, 3),
    ]
    module = nn.ModuleList(parts)
    module.register_buffer("grid", torch.ones(2, 2))
    assert kept_because(read_pytorch(module).provenance) == {
        "0.weight": "transposed convolution",
        "1.weight": "bilinear layer, a product of two inputs",
        "2.weight": "embedding table",
        "3.weight": "a parameter of LayerNorm",
        "3.bias": "a parameter of LayerNorm",
        "grid": "a buffer of ModuleList",
    }
    taken = read_pytorch(module, take=["2"])
    assert [t.name for t in taken.tensors] == ["2", "4"]


def test_types_and_not_names_say_what_a_module_s_layers_are():
    module = nn.ModuleDict({"embedding": nn.Linear(3, 2, bias=False), "mask": nn.Conv1d(2, 2, 3, bias=False)})
    assert [t.name for t in read_pytorch(module).tensors] == ["embedding", "mask"]


def test_compress_model_takes_a_module_and_its_state_dict():
    module = lenet_5()
    for source in (module, module.state_dict(), {"state_dict": module.state_dict()}):
        model = compress_model(source, density=0.1)
        assert [(t.name, t.bias is not None) for t in model.tensors] == [
            (name, True) for name in ("conv1", "conv2", "fc1", "fc2")
        ]
        assert np.array_equal(model.tensors[2].bias, numbers(module.fc1.bias))


def test_quantised_modules_are_named():
    state = {"fc.weight": torch.ones(2, 2), "q._packed_params": (torch.ones(2, 2), None)}
    with pytest.raises(ValueError, match=r"q\._packed_params: packed weights, such as those of a quantised module"):
        read_pytorch(state)


# State dicts and files ------------------------------------------------------------------------------------------------


def test_a_state_dict_and_its_file_are_read_as_the_module(tmp_path):
    module = lenet_5()
    by_types = read_pytorch(module)
    path = saved(module.state_dict(), tmp_path)
    for source in (module.state_dict(), path, str(path)):
        model = read_pytorch(source)
        for one, other in zip(model.tensors, by_types.tensors, strict=True):
            assert (one.name, one.kind, one.gates) == (other.name, other.kind, other.gates)
            assert np.array_equal(one.weights, other.weights)
            assert np.array_equal(one.bias, other.bias)
        assert model.others.keys() == by_types.others.keys()
    assert model.provenance["source"] == "PyTorch model.pt"


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "generator"])
def test_a_checkpoint_is_read_by_the_state_dict_in_it(key, tmp_path):
    module = Tagger()
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.zeros(2, 1, dtype=torch.long)).sum().backward()
    optimiser.step()
    path = saved(
        {"epoch": 3, "best": torch.tensor(0.9), key: module.state_dict(), "optimizer": optimiser.state_dict()}, tmp_path
    )
    model = read_pytorch(path, keep=["embedding.weight"])
    assert len(model.tensors) == 9
    assert list(model.others) == ["embedding.weight"]


def test_of_several_state_dicts_the_usual_one_is_read_or_all_are_named(tmp_path):
    state = lenet_5().state_dict()
    assert len(read_pytorch(saved({"ema": state, "model": state}, tmp_path)).tensors) == 4
    stated = {"net": state, "scaler": {"scale": torch.tensor(2.0)}}
    assert len(read_pytorch(saved(stated, tmp_path)).tensors) == 4
    two = {"ema": {name: tensor + 1 for name, tensor in state.items()}, "model": state}
    with pytest.raises(FormatError, match="source: 'model' and 'ema' hold two versions of the same tensors; save or"):
        read_pytorch(saved(two, tmp_path))
    assert len(read_pytorch(saved({"model": state, "head": {"w": torch.ones(2, 2)}}, tmp_path)).tensors) == 4
    with pytest.raises(FormatError, match="source: 'net', 'ema' each hold tensors; save or pass one of them alone"):
        read_pytorch(saved({"net": state, "ema": state}, tmp_path))


def test_names_of_wrapped_modules_stay_as_they_are(tmp_path):
    state = {f"module.{name}": tensor for name, tensor in lenet_5().state_dict().items()}
    assert read_pytorch(saved(state, tmp_path, "pytorch_model.bin")).tensors[0].name == "module.conv1"


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_8_bit_floats_are_read_and_written_exactly(dtype, tmp_path):
    state = {"fc.weight": torch.randn(5, 4).to(dtype), "fc.bias": torch.zeros(5)}
    path = saved(state, tmp_path)
    model = compress_model(read_pytorch(path), density=1, weight_bits=8, init="exact")
    assert np.array_equal(read_pytorch(path).tensors[0].weights, numbers(state["fc.weight"].to(torch.float32)))
    write_pytorch(model, path, tmp_path / "new.pt")
    new = torch.load(tmp_path / "new.pt", weights_only=True)["fc.weight"]
    assert torch.equal(new.view(torch.uint8), state["fc.weight"].view(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16])
def test_a_weight_that_its_type_cannot_hold_is_refused(dtype):
    model = compress_model({"fc.weight": torch.full((1, 1), 1e6)}, density=1)
    with pytest.raises(ValueError, match=rf"fc\.weight: 1000000\.0 is too large for {dtype}"):
        state_dict_of(model, {"fc.weight": torch.ones(1, 1).to(dtype)})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_files_of_other_float_types_are_read(dtype, tmp_path):
    state = lenet_5().to(dtype).state_dict()
    model = read_pytorch(saved(state, tmp_path))
    assert np.array_equal(model.tensors[2].weights, numbers(state["fc1.weight"].to(torch.float32)))


def test_tensors_of_a_file_that_share_memory_are_read_once_and_written_as_one(tmp_path):
    module = Tagger(tied=True)
    path = saved(module.state_dict(), tmp_path)
    model = compressed(path)
    assert [t.name for t in model.tensors if t.shape == (7, 4)] == ["out"]
    write_pytorch(model, path, tmp_path / "new.pt")
    state = torch.load(tmp_path / "new.pt", weights_only=True)
    assert state["out.weight"].data_ptr() == state["embedding.weight"].data_ptr()
    assert np.array_equal(numbers(state["out.weight"]), model.tensors[-1].dense())


def test_a_file_without_a_state_dict_is_named(tmp_path):
    model = compressed(saved(lenet_5().state_dict(), tmp_path))
    torch.save({"a": 1}, tmp_path / "bad.pt")
    with pytest.raises(FormatError, match=r"bad\.pt: source: there is no tensor"):
        write_pytorch(model, tmp_path / "bad.pt", tmp_path / "new.pt")


def test_what_a_checkpoint_holds_beside_the_state_dict_is_kept(tmp_path):
    module = lenet_5()
    checkpoint = {"epoch": 7, "best": torch.tensor(0.5), "state_dict": module.state_dict()}
    path = saved(checkpoint, tmp_path)
    model = compressed(path)
    write_pytorch(model, path, tmp_path / "new.pt")
    new = torch.load(tmp_path / "new.pt", weights_only=True)
    assert new.keys() == checkpoint.keys()
    assert (new["epoch"], new["best"]) == (7, 0.5)
    assert np.array_equal(numbers(new["state_dict"]["fc1.weight"]), model.tensors[2].dense())


class Evil:
    def __reduce__(self):
        return (print, ("this was run",))


@pytest.mark.parametrize("found", [Evil(), {"a": Evil()}, lenet_5()], ids=["object", "in a dictionary", "module"])
def test_a_pickle_of_more_than_tensors_is_one_error_and_is_not_run(found, tmp_path, capsys):
    path = saved(found, tmp_path)
    with pytest.raises(FormatError, match=r"no plain state dict: it holds '") as caught:
        read_pytorch(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert capsys.readouterr().out == ""


def test_a_number_of_numpy_in_a_checkpoint_is_refused_with_the_cure(tmp_path):
    path = saved({"net": lenet_5().state_dict(), "accuracy": np.float64(0.9)}, tmp_path)
    with pytest.raises(
        FormatError, match=r"save the module's state_dict\(\) alone, or NumPy's numbers with float\(\)$"
    ):
        read_pytorch(path)


def test_a_file_of_the_old_format_and_a_bare_pickle_are_refused(tmp_path):
    path = tmp_path / "old.pt"
    torch.save(lenet_5().state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(FormatError, match=r"before PyTorch 1\.6; .*torch\.load\('old\.pt', weights_only=True"):
        read_pytorch(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FormatError, match="no PyTorch file"):
        read_pytorch(path)


def test_a_torchscript_archive_is_named_with_its_cure(tmp_path):
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:  # torch.jit.save, whose functions are deprecated, writes these
        for member in ("data.pkl", "constants.pkl", "code/__torch__/torch/nn/modules/linear.py", "data/0"):
            archive.writestr(f"script/{member}", b"")
    with pytest.raises(FormatError, match=r"a TorchScript archive.*torch\.jit\.load\('script\.pt'\)\.state_dict\(\)"):
        read_pytorch(path)


def test_a_sparse_tensor_is_named(tmp_path):
    path = saved({"fc.weight": torch.eye(3).to_sparse()}, tmp_path)
    with pytest.raises(FormatError, match="it holds a sparse tensor; only dense tensors of numbers are read"):
        read_pytorch(path)


def test_a_folder_and_a_missing_file_are_os_errors(tmp_path):
    for path in (tmp_path, tmp_path / "missing.pt"):
        with pytest.raises(OSError, match=str(path)):
            read_pytorch(path)


# Back -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lenet_5, Tagger, lambda: Tagger(nn.GRU), lambda: Tagger(tied=True)])
def test_a_module_computes_with_the_decoded_weights(make, tmp_path):
    module = make()
    model = compressed(module)
    write_pytorch(model, module, tmp_path / "new.pt")
    state = torch.load(tmp_path / "new.pt", weights_only=True)
    new = make()
    new.load_state_dict(state)
    again = read_pytorch(new)
    for tensor, coded in zip(again.tensors, model.tensors, strict=True):
        assert np.array_equal(tensor.weights, coded.dense())
        assert np.array_equal(tensor.bias, coded.bias)
    loaded = make()
    load_into(model, loaded)
    assert same(loaded.state_dict(), new.state_dict())
    assert same(make().state_dict(), module.state_dict())


def test_what_is_not_compressed_stays_the_same_tensor():
    state = lenet_5().state_dict()
    new = state_dict_of(compressed(state), state)
    assert list(new) == list(state)
    assert [name for name in state if new[name] is not state[name]] == [
        f"{n}.weight" for n in ("conv1", "conv2", "fc1", "fc2")
    ]
    assert new._metadata == state._metadata


def test_a_state_dict_that_nothing_changes_in_is_written_as_the_same_bytes(tmp_path):
    state = {"fc.weight": torch.sign(torch.randn(4, 5)), "fc.bias": torch.randn(4), "steps": torch.tensor(3)}
    path = saved(state, tmp_path)
    write_pytorch(compressed(path, 1.0), path, tmp_path / "new.pt")
    assert same(torch.load(path), torch.load(tmp_path / "new.pt"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_types_of_the_original_are_kept(dtype):
    state = lenet_5().to(dtype).state_dict()
    model = compressed(state)
    new = state_dict_of(model, state)
    assert {n: t.dtype for n, t in new.items()} == {n: t.dtype for n, t in state.items()}
    assert torch.equal(new["fc1.weight"], torch.tensor(model.tensors[2].dense()).to(dtype))


def test_other_parameters_and_biases_that_changed_are_written():
    state = {"fc.weight": torch.randn(2, 3), "fc.bias": torch.randn(2), "scale": torch.ones(2, dtype=torch.float64)}
    tensors = compress_model({"fc": (np.ones((2, 3)), [5.0, 6.0])}, 1.0).tensors
    new = state_dict_of(CompressedModel(tensors, ("none",), {}, {"scale": [7.0, 8.0]}), state)
    assert new["fc.bias"].tolist() == [5, 6]
    assert new["scale"].tolist() == [7, 8]
    assert new["scale"].dtype == torch.float64
    assert state["scale"].tolist() == [1, 1]


def test_a_module_with_parametrisations_gives_plain_weights_and_takes_none():
    module, plain = lenet_5(), lenet_5()
    parametrize.register_parametrization(module.fc1, "weight", Half())
    prune.l1_unstructured(module.fc2, "weight", 0.5)
    model = compressed(module)
    state = state_dict_of(model, module)
    assert state.keys() == plain.state_dict().keys()
    load_into(model, plain)
    assert np.array_equal(numbers(plain.fc1.weight), model.tensors[2].dense())
    before = {n: t.clone() for n, t in module.state_dict().items()}
    with pytest.raises(ValueError, match="module: 'fc1' has parametrisations"):
        load_into(model, module)
    assert same(before, module.state_dict())


@pytest.mark.parametrize(
    ("tensors", "others", "match"),
    [
        ({"other": np.ones((4, 5))}, {}, r"no tensor 'other\.weight'"),
        ({"fc": np.ones((5, 4))}, {}, r"'fc\.weight' has shape \(4, 5\), but the model's is \(5, 4\)"),
        ({"fc": (np.ones((4, 5)), np.ones(4))}, {}, r"no tensor 'fc\.bias'"),
        ({"fc": np.ones((4, 5))}, {"steps": [1.0]}, "no tensor 'steps' of floating-point numbers"),
        ({"fc": np.full((4, 5), 1e5)}, {}, r"fc\.weight: 100000\.0 is too large for torch\.float16"),
    ],
)
def test_a_model_that_is_not_of_the_original_is_refused_and_nothing_is_written(tensors, others, match, tmp_path):
    state = {"fc.weight": torch.randn(4, 5, dtype=torch.float16), "steps": torch.tensor([3])}
    coded = compress_model(tensors, 1.0)
    with pytest.raises(ValueError, match=match):
        write_pytorch(CompressedModel(coded.tensors, coded.activations, {}, others), state, tmp_path / "new.pt")
    assert list(tmp_path.iterdir()) == []


def test_two_values_for_one_tensor_are_refused():
    shared = torch.randn(2, 2)
    state = {"a.weight": shared, "b.weight": shared}
    model = compress_model({"a": np.eye(2), "b": np.ones((2, 2))}, 1.0)
    with pytest.raises(ValueError, match=r"'b\.weight' and 'a\.weight' are one tensor"):
        state_dict_of(model, state)


@settings(deadline=None, max_examples=examples(20))
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    bias=st.booleans(),
    density=st.sampled_from([0.3, 1.0]),
    seed=st.integers(0, 99),
)
def test_any_chain_of_matrices_goes_in_and_out(sizes, bias, density, seed, tmp_path_factory):
    torch.manual_seed(seed)
    chain = nn.Sequential(*[nn.Linear(m, n, bias) for m, n in pairwise(sizes)])
    path = tmp_path_factory.mktemp("any") / "model.pt"
    model = compressed(chain, density, 2)
    write_pytorch(model, chain, path)
    for tensor, coded in zip(read_pytorch(path).tensors, model.tensors, strict=True):
        assert np.array_equal(tensor.weights, coded.dense())
