"""GEMM topologies of SCALE-Sim: what is read, what is drawn, and what is refused where."""

import numpy as np
import pytest

from eie_sim import ArchConfig, load, preset, simulate_batch
from eie_sim.sources.options import OptionError
from eie_sim.sources.topology import GemmLayer, read_topology


@pytest.fixture
def topology(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "net.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


CONVOLUTIONS = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def test_m_are_input_vectors_n_outputs_and_k_inputs(topology):
    path = topology("Layer, M, N, K,\nfc1, 4, 128, 256,\nfc2, 1, 10, 128,\n")
    assert read_topology(path) == (GemmLayer("fc1", 4, 128, 256, None, 2), GemmLayer("fc2", 1, 10, 128, None, 3))


def test_sparsity_is_the_share_of_weights_that_are_not_zero(topology):
    path = topology("Layer,M,N,K,Sparsity,\na,1,8,8,1:4,\nb,1,8,8, 2 : 4 ,\nc,1,8,8,3:3,\n")
    assert [layer.weight_density for layer in read_topology(path)] == [0.25, 0.5, 1.0]


def test_an_empty_sparsity_is_none(topology):
    path = topology("Layer,M,N,K,Sparsity,\na,1,8,8,1:4,\nb,1,8,8,,\nc,1,8,8,\n")
    assert [layer.weight_density for layer in read_topology(path)] == [0.25, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "Layer,M,N,K\nfc,2,3,4\n",
        "Layer name, M, N, K,\n\nfc, 2, 3, 4,\n\n",
        "\ufeffLAYER,m,n,k,\r\nfc,2,3,4,\r\n",
        'k,n,m,layer\n4,3,2,"fc"\n',
        "\n\nLayer,M,N,K,\nfc,2,3,4,",
        "L,M,N,K,\nfc,2,3,4,\n",
        "Operation name,M,N,K\r\nfc,2,3,4",
    ],
)
def test_commas_spaces_empty_lines_case_and_order_do_not_matter(topology, text):
    (layer,) = read_topology(topology(text))
    assert (layer.name, layer.n_vectors, layer.n_outputs, layer.n_inputs) == ("fc", 2, 3, 4)


def test_the_layers_are_drawn_with_their_shapes_and_densities(topology):
    path = topology("Layer,M,N,K,Sparsity,\nfc1,3,60,80,1:4,\nfc2,1,40,60,3:3\n")
    one, two = load(path, ArchConfig(n_pe=8, index_bits=5), act_density=0.5, seed=1)
    assert (one.layer.n_rows, one.layer.n_cols, one.layer.n_pe, one.layer.index_bits) == (60, 80, 8, 5)
    assert abs(one.layer.density - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4800)
    assert two.layer.density == 1
    assert one.acts.shape == (3, 80)
    assert two.acts.shape == (1, 60)
    assert np.count_nonzero(one.acts, axis=1).tolist() == [40, 40, 40]
    assert str(one.origin).startswith("net.csv, line 2; random")


def test_without_sparsity_weights_are_dense_unless_a_density_is_given(topology):
    path = topology("Layer,M,N,K,\nfc,1,50,50,\n")
    assert next(iter(load(path))).layer.density == 1
    assert abs(next(iter(load(path, weight_density=0.1))).layer.density - 0.1) < 0.05


def test_every_vector_of_a_row_can_be_simulated(topology):
    (drawn,) = load(topology("Layer,M,N,K,\nfc,3,16,20,\n"), ArchConfig(n_pe=4), weight_density=0.5)
    batch = simulate_batch(drawn.layer, drawn.acts, preset("eie-64pe-45nm").replace(n_pe=4))
    assert len(batch) == 3
    assert batch.output.shape == (3, 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column 'layer'"),
        ("Layer,M,N,\nfc,1,2,\n", "line 1: no column 'k'"),
        ("fc1,1,2,3,\n", "line 1: no column 'layer'"),
        ("L,M,N,\nfc,1,2,\n", "line 1: no column 'layer'"),
        (CONVOLUTIONS, "line 1: no layer after"),
        (CONVOLUTIONS.replace(" Strides,", ""), "line 1: 7 columns, but a convolution topology has Layer name, IFMAP"),
        (CONVOLUTIONS + "c,8,8,3,3,4,\n", "line 2: 6 values, but a convolution has Layer name"),
        (CONVOLUTIONS + "c,8,8,9,3,4,5,1,\n", "line 2: Filter Height: 9, but IFMAP Height is 8"),
        (CONVOLUTIONS + "c,8,8,3,3,4,5,0,\n", "line 2: Strides: '0', but it must be a whole number"),
        (CONVOLUTIONS + ",8,8,3,3,4,5,1,\n", "line 2: layer: a name must not be empty"),
        (CONVOLUTIONS + "c,8,8,3,3,4,5,1,5:4,\n", "line 2: Sparsity: '5:4'"),
        (CONVOLUTIONS + "c,8,8,3,3,4,5,1,x,\n", "line 2: Strides: 'x'"),
        (CONVOLUTIONS + "c,8,8,3,3,4,5,1,\nc,8,8,3,3,4,5,1,\n", "line 3: layer 'c' is there twice"),
        ("Layer,M,N,K,Stride,\nfc,1,2,3,4,\n", "line 1: column 'stride' is unknown or there twice"),
        ("Layer,M,N,K,K,\nfc,1,2,3,4,\n", "line 1: column 'k' is unknown or there twice"),
        ("Layer,M,,N,K,\nfc,1,2,3,4,\n", "line 1: column '' is unknown"),
        ("Layer,M,N,K,\n", "line 1: no layer after"),
        ("Layer,M,N,K,\nfc,1,2,\n", "line 2: 3 values, but there are 4 columns"),
        ("Layer,M,N,K,\n\nfc,1,2,x,\n", "line 3: K: 'x', but it must be a whole number, at least 1"),
        ("Layer,M,N,K,\nfc,0,2,3,\n", "line 2: M: '0'"),
        ("Layer,M,N,K,\nfc,1,-2,3,\n", "line 2: N: '-2'"),
        ("Layer,M,N,K,\nfc,1,2,1e3,\n", "line 2: K: '1e3'"),
        ("Layer,M,N,K,\n,1,2,3,\n", "line 2: layer: a name must not be empty"),
        ("Layer,M,N,K,\na,1,2,3,\na,1,2,3,\n", "line 3: layer 'a' is there twice, first in line 2"),
        ("Layer,M,N,K,Sparsity\na,1,2,3,0.5\n", "line 2: Sparsity: '0.5', but it must be n:m"),
        ("Layer,M,N,K,Sparsity\na,1,2,3,5:4\n", "line 2: Sparsity: '5:4', but n must be at most m"),
        ("Layer,M,N,K,Sparsity\na,1,2,3,0:4\n", "line 2: Sparsity: '0', but it must be a whole number"),
        ("Layer,M,N,K\na,1,2," + "9" * 19, "line 2: K: '9999999999999999999', but it must be a whole number"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(topology, text, message):
    path = topology(text)
    with pytest.raises(ValueError) as caught:
        read_topology(path)
    assert f"{path}: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_too_large_to_draw_is_named_with_its_line(topology):
    path = topology("Layer,M,N,K,\nfc,1,1000000,1000000,\n")
    with pytest.raises(ValueError, match="line 2: n_rows x n_cols: 1000000 x 1000000"):
        next(iter(load(path)))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "net.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        read_topology(tmp_path / "net.csv")


# Convolutions ---------------------------------------------------------------------------------------------------------


def shapes(path):
    """Name, M, N and K of every row."""
    return [(layer.name, layer.n_vectors, layer.n_outputs, layer.n_inputs) for layer in read_topology(path)]


def test_a_convolution_is_its_product_by_im2col(topology):
    path = topology(CONVOLUTIONS + "Conv1, 224, 224, 11, 11, 3, 96, 4,\nFC6,1,1,1,1,9216,4096,1,\n")
    assert shapes(path) == [("Conv1", 55 * 55, 96, 363), ("FC6", 1, 4096, 9216)]


@pytest.mark.parametrize(
    ("row", "positions"),
    [
        ("8,8,3,3,1,1,1", 6 * 6),
        ("8,8,8,8,1,1,3", 1),
        ("7,7,3,3,1,1,2", 3 * 3),
        ("8,8,3,3,1,1,2", 4 * 4),  # the last window reaches over the edge, and SCALE-Sim counts it
        ("1024,13,1,13,1,1,1", 1024),
        ("10,8,3,2,1,1,1,2", 8 * 4),
    ],
)
def test_output_positions_are_counted_as_scale_sim_does(topology, row, positions):
    ((_, n_vectors, _, _),) = shapes(topology(f"{CONVOLUTIONS}c,{row},\n"))
    assert n_vectors == positions


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (CONVOLUTIONS, "c, 9, 9, 3, 3, 2, 5, 1,#dw"),
        (CONVOLUTIONS, "c,9,9,3,3,2,5,1"),
        (CONVOLUTIONS, "c,9,9,3,3,2,5,1,,"),
        (CONVOLUTIONS.upper(), "c , 9 ,9,3,3,2,5,1, "),
        (CONVOLUTIONS.strip() + " \r\n\r\n", "c,9,9,3,3,2,5,1, \r\n"),
        (
            "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides\n",
            "c,9,9,3,3,2,5,1",
        ),
        (CONVOLUTIONS.replace("Strides,", "Strides, Batch Size,"), "c,9,9,3,3,2,5,1,1,"),
        (CONVOLUTIONS.replace("Strides,", "Stride height, Stride width,"), "c,9,9,3,3,2,5,1,1,"),
        (CONVOLUTIONS.replace("Strides,", "Strides, Sparsity,"), "c,9,9,3,3,2,5,1,,"),
    ],
)
def test_the_forms_of_published_convolution_files_are_read(topology, header, row):
    (layer,) = read_topology(topology(header + row))
    assert (layer.n_vectors, layer.n_outputs, layer.n_inputs, layer.weight_density) == (49, 5, 18, None)


def test_a_batch_multiplies_the_vectors_and_sparsity_is_a_density(topology):
    header = CONVOLUTIONS.replace("Strides,", "Strides, Batch Size, Sparsity,")
    (layer,) = read_topology(topology(header + "c,9,9,3,3,2,5,1,3,1:4,\n"))
    assert (layer.n_vectors, layer.weight_density) == (3 * 49, 0.25)


def test_a_depthwise_row_is_one_block_diagonal_matrix(topology):
    path = topology(CONVOLUTIONS + "Conv2_DP,10,10,3,3,6,2,1,\n")
    assert shapes(path) == [("Conv2_DP", 64, 12, 54)]
    (drawn,) = load(path, ArchConfig(n_pe=4))
    weights = drawn.layer.dense().reshape(6, 2, 6, 9)
    assert all((weights[at, :, other] != 0).all() == (at == other) for at in range(6) for other in range(6))
    assert not any(weights[at, :, other].any() for at in range(6) for other in range(6) if at != other)
    assert drawn.acts.shape == (64, 54)
    batch = simulate_batch(drawn.layer, drawn.acts, ArchConfig(n_pe=4))
    assert np.allclose(batch.output, drawn.acts @ drawn.layer.dense().T, rtol=1e-4, atol=1e-5)


def test_products_are_known_by_position_where_their_names_are_odd(topology):
    assert shapes(topology("Operation, rows, columns, inner,\nfc,2,3,4,\n")) == [("fc", 2, 3, 4)]


# Size -----------------------------------------------------------------------------------------------------------------

LARGE = "Layer,M,N,K,\nsmall,2,8,8,\nlarge,5000000,64,64,\n"


def test_a_topology_of_millions_of_vectors_asks_first(topology):
    path = topology(LARGE)
    with pytest.raises(OptionError, match=r"5,000,002 input vectors, about .* and 4.2 GiB .*; max_vectors N runs"):
        load(path)
    assert load(path, layers="small").acts[0].shape == (2, 8)


def test_the_first_vectors_of_each_layer_run_and_the_job_says_so(topology):
    job = load(topology(LARGE), max_vectors=3)
    assert [acts.shape for acts in job.acts] == [(2, 8), (3, 64)]
    (remark,) = job.remarks
    assert remark.startswith("net.csv: first 3 input vectors of a layer alone (large 3 of 5,000,000)")
    assert remark.rstrip(".") in [note.text for note in job.notes]


def test_nothing_is_said_where_nothing_is_left_out(topology):
    assert load(topology("Layer,M,N,K,\nfc,3,8,8,\n"), max_vectors=3).remarks == ()


def test_the_first_vectors_are_those_of_all(topology):
    path = topology("Layer,M,N,K,\nfc,40,8,30,\n")
    (few,), (all_,) = load(path, max_vectors=7, act_density=0.4).acts, load(path, act_density=0.4).acts
    assert few.tobytes() == all_[:7].tobytes()


@pytest.mark.parametrize("most", [1, 7, 40, 1000])
def test_vectors_drawn_in_chunks_are_those_drawn_at_once(topology, most):
    path = topology("Layer,M,N,K,\nfc,40,8,30,\n")
    (chunked,), (whole,) = load(path, act_density=0.4), load(path, act_density=0.4)
    chunks = list(chunked.vectors(most))
    assert max(map(len, chunks)) == min(most, 40)
    assert np.concatenate(chunks).tobytes() == whole.acts.tobytes()
    assert np.concatenate(list(whole.vectors(most))).tobytes() == whole.acts.tobytes()


@pytest.mark.parametrize("wrong", [0, -1, 1.5])
def test_a_wrong_number_of_vectors_is_refused(topology, wrong):
    with pytest.raises(ValueError, match="max_vectors: "):
        load(topology(LARGE), max_vectors=wrong)


def test_it_means_nothing_elsewhere():
    with pytest.raises(OptionError, match="max_vectors: means nothing"):
        load("random:8x8", max_vectors=2)
