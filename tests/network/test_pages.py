"""What the pages about networks say was measured is what their own code prints."""

import numpy as np
import pytest

from compressor.lowering.convolution import ConvWindow
from compressor.lowering.matrix import MatrixProduct
from compressor.lowering.recurrent import Recurrent
from compressor.lowering.winograd import Winograd
from tests.pages import BLOCKS, PAGES

CONVOLUTIONS = "docs/how-to/convolutions.md"


@pytest.mark.slow
@pytest.mark.compiled_only
def test_the_table_of_convolutions_is_what_the_code_above_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = next(block for block in BLOCKS if block.page == CONVOLUTIONS and block.language == "python")
    exec(compile(code.text, CONVOLUTIONS, "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 9
    assert printed in PAGES[CONVOLUTIONS]


def calls_of(lowering, data, rows):
    """Matrix and number of products of each call of the machine, which answers zeros."""
    run, sums, found = lowering.run([data]), None, []
    while True:
        try:
            call = run.send(sums)
        except StopIteration:
            return found
        found.append((call.matrix, len(call.vectors)))
        sums = np.zeros((len(call.vectors), rows[call.matrix]))


def test_winograd_runs_element_after_element_as_the_contract_says():
    window = ConvWindow((3, 3), (1, 1), (1, 1), "NOTSET", (0, 0, 0, 0))
    n_patches = 2 * 2 * 3  # of two images of 4 x 5 outputs
    assert calls_of(Winograd(window), np.zeros((2, 3, 6, 7)), [4] * 16) == [(n, n_patches) for n in range(16)]


def test_a_stack_runs_matrix_after_matrix_as_the_contract_says():
    assert calls_of(MatrixProduct(1, (2, 3, 4)), np.zeros((6, 1, 5, 3)), [4, 4]) == [(0, 30), (1, 30)]


@pytest.mark.parametrize(("operator", "gates"), [("LSTM", [16]), ("GRU", [8, 4])])
def test_a_step_runs_all_samples_of_a_matrix_before_the_next_one_as_the_contract_says(operator, gates):
    functions = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}[operator]
    attributes = {"direction": "bidirectional", "hidden_size": 4, "layout": 0, "activations": 2 * functions}
    layer = Recurrent(operator, {**attributes, "linear_before_reset": 0}, 3)
    forward = [(matrix, 5) for _ in range(6) for matrix in range(len(gates))]
    reverse = [(len(gates) + matrix, n) for matrix, n in forward]
    assert calls_of(layer, np.zeros((6, 5, 3)), 2 * gates) == forward + reverse
