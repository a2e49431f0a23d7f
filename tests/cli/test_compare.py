"""`eie-sim compare`: two results files, cell by cell."""

import json

import numpy as np
import pytest

from compressor import pack_codes, save_model
from tests.cli.conftest import BOOK


@pytest.fixture
def results(cli, files, tmp_path):
    """``results("a", "--set", ...)`` -> the results file of a run of the chain."""

    def call(name, *options):
        path = tmp_path / f"{name}.json"
        path.write_text(cli("run", files / "chain.eie", "--acts", files / "acts.npy", "--json", *options).stdout)
        return path

    return call


def test_a_file_does_not_differ_from_itself(cli, results):
    a = results("a")
    result = cli("compare", a, a, "--exact")
    assert result.exit_code == 0
    assert result.stdout == "no difference in 111 cells in 3 rows\n"


def test_the_engines_do_not_differ(cli, results):
    assert cli("compare", results("a"), results("b", "--engine", "reference"), "--exact").exit_code == 0


def test_differences_are_listed_cell_by_cell(cli, results):
    a, b = results("a"), results("b", "--set", "clock_hz=400e6")
    document = json.loads(cli("compare", a, b, "--json").stdout)
    assert {cell["column"] for cell in document["cells"]} == {"time_us", "theoretical_us", "gops", "dense_gops"}
    assert len(document["cells"]) == 12
    first = document["cells"][0]
    assert (first["layer"], first["column"], first["deviation_percent"]) == ("fc1", "time_us", 100)
    assert document["machine"]["clock_hz"] == {"a": 800e6, "b": 400e6}


def test_differences_are_shown_and_only_exact_makes_them_a_failure(cli, results):
    a, b = results("a"), results("b", "--set", "clock_hz=400e6")
    result = cli("compare", a, b)
    assert result.exit_code == 0
    assert "machine: clock_hz: 800000000.0 in A, 400000000.0 in B" in result.stdout
    assert "12 differences in 111 cells in 3 rows" in result.stdout
    assert "+100.00" in result.stdout
    assert cli("compare", a, b, "--exact").exit_code == 1


def test_a_missing_row_is_a_difference(cli, results):
    a, b = results("a"), results("b")
    document = json.loads(a.read_text())
    del document["results"][1]
    a.write_text(json.dumps(document))
    result = cli("compare", a, b, "--exact")
    assert result.exit_code == 1
    assert "only in B: layer fc2, input 0" in result.stdout
    assert "only in A: layer fc2, input 0" in cli("compare", b, a).stdout


def test_a_deviation_from_nothing_is_a_dash(cli, results):
    a, b = results("a"), results("b")
    document = json.loads(b.read_text())
    document["results"][0]["saturations"] = 7
    document["results"][1]["paper_time_us"] = 2.5
    b.write_text(json.dumps(document))
    lines = cli("compare", a, b).stdout.splitlines()
    assert lines[-2].split() == ["fc1", "saturations", "0", "7", "-"]
    assert lines[-1].split() == ["fc2", "paper_time_us", "-", "2.5", "-"]


def test_batches_name_the_input(cli, files, tmp_path):
    for name, clock in (("a", 800e6), ("b", 400e6)):
        run = cli("run", files / "one.eie", "--acts", files / "batch.npy", "--json", "--set", f"clock_hz={clock}")
        (tmp_path / f"{name}.json").write_text(run.stdout)
    lines = cli("compare", tmp_path / "a.json", tmp_path / "b.json").stdout.splitlines()
    assert "input" in lines[4]
    assert lines[-1].split()[:3] == ["one", "4", "dense_gops"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "not a results file: byte 0 is not UTF-8"),
        (b"{", "not a results file: is not strict JSON: Expecting"),
        (b"[" * 100_000, "not a results file: "),
        (b"[]", "it must be a JSON object with format 'eie-sim-results'"),
        (b'{"format": "other"}', "it must be a JSON object with format 'eie-sim-results'"),
        (b'{"format": "eie-sim-results", "format_version": 9}', "format_version: 9, but this version reads 1"),
        (b'{"format": "eie-sim-results", "format_version": 1, "results": []}', "machine: must be an object"),
        (
            b'{"format": "eie-sim-results", "format_version": 1, "machine": {}, "results": {}}',
            "results: must be a list",
        ),
    ],
)
def test_a_file_of_something_else_is_one_line(fails, results, tmp_path, content, message):
    (tmp_path / "x.json").write_bytes(content)
    assert message in fails("compare", tmp_path / "x.json", tmp_path / "x.json")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{}", "row 0 has layer None, but it must be str"),
        ('{"layer": "a", "input": "x"}', "row 0 has input 'x', but it must be int"),
        ('{"layer": "a", "input": 0, "cycles": []}', "cycles of row 0 is list"),
        ('{"layer": "a", "input": 0, "cycles": 1e999}', "cycles of row 0 is inf"),
        ('{"layer": "a", "input": 0, "cycles": NaN}', "NaN is not a JSON"),
        ('{"layer": "a", "input": 0}, {"layer": "a", "input": 0}', "a layer and input are there twice"),
    ],
)
def test_a_malformed_row_is_one_line(fails, tmp_path, row, message):
    head = '{"format": "eie-sim-results", "format_version": 1, "machine": {}'
    (tmp_path / "x.json").write_text(f'{head}, "results": [{row}]}}')
    assert message in fails("compare", tmp_path / "x.json", tmp_path / "x.json")


def test_the_folder_of_a_run_is_its_results(cli, files, tmp_path):
    for name in ("a", "b"):
        assert cli("run", files / "one.eie", "--out", tmp_path / name).exit_code == 0
    result = cli("compare", tmp_path / "a", tmp_path / "b" / "results.json", "--exact")
    assert result.exit_code == 0


def test_a_folder_or_a_file_that_is_not_there_is_one_line(fails, tmp_path):
    assert "Is a directory" in fails("compare", tmp_path, tmp_path)
    assert "No such file" in fails("compare", tmp_path / "a.json", tmp_path / "a.json")


def test_outputs_that_differ_in_nothing_but_their_values_are_a_difference(cli, tmp_path):
    acts, paths = tmp_path / "acts.npy", []
    np.save(acts, np.ones(40))
    for name, scale in (("a", 1), ("b", np.float32(1 + 2**-23))):
        codes = np.eye(60, 40, dtype=np.uint8)
        save_model(pack_codes(codes, BOOK * scale, name="fc"), tmp_path / f"{name}.eie")
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(cli("run", tmp_path / f"{name}.eie", "--acts", acts, "--json").stdout)
    result = cli("compare", *paths, "--exact", "--json")
    assert result.exit_code == 1
    (cell,) = json.loads(result.stdout)["cells"]
    assert (cell["column"], cell["deviation_percent"]) == ("output_sha256", None)
    assert "output_sha256" in cli("compare", *paths).stdout


def test_deviations_beyond_any_float_are_none(cli, results):
    a, b = results("a"), results("b")
    document = json.loads(a.read_text())
    document["results"][0] |= {"time_us": 1e-320}
    a.write_text(json.dumps(document))
    for first, second in ((a, b), (b, a)):
        found = json.loads(cli("compare", first, second, "--json").stdout)["cells"]
        assert {cell["column"] for cell in found} == {"time_us"}
        assert cli("compare", first, second).exit_code == 0


def test_a_table_of_results_is_named_for_what_it_is(cli, fails, files, tmp_path):
    assert cli("run", files / "one.eie", "--csv", tmp_path / "results.csv").exit_code == 0
    line = fails("compare", tmp_path / "results.csv", tmp_path / "results.csv")
    assert (
        line
        == f"{tmp_path / 'results.csv'}: a table of results; give results.json, which `eie-sim run --out` writes too"
    )
