"""``eie-sim run``, ``trace`` and ``plot`` of a whole network, from its inputs to its answers."""

import json

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from compressor.samples import Answers, largest_difference
from compressor.storage.coded_file import save_compressed
from eie_sim import plan_network, run_network
from eie_sim.cli import network_run
from tests.network.small_networks import answers, compressed, few, made, residual, with_state

LAYERS = ["first", "depthwise", "pointwise", "fc"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network with branches as ONNX and compressed without loss, inputs, labels and names of classes."""
    folder = tmp_path_factory.mktemp("network")
    model = compressed(residual(), folder)
    save_compressed(model, folder / "net.dcz")
    images = np.random.default_rng(0).normal(size=(5, 2, 6, 5)).astype(np.float32)
    np.savez(folder / "x.npz", x=images)
    np.save(folder / "x.npy", images)
    np.save(folder / "one.npy", images[:1])
    np.save(folder / "labels.npy", answers(residual(), {"x": images})["y"].argmax(axis=1))
    np.save(folder / "wrong.npy", np.zeros(3, int))
    np.save(folder / "high.npy", np.full(5, 7))
    np.save(folder / "none.npy", images[:0])
    (folder / "junk.onnx").write_bytes(b"not a model")
    other = (folder / "model.onnx").read_bytes()
    compressed(with_state(), folder)
    (folder / "model.onnx").rename(folder / "other.onnx")
    (folder / "model.onnx").write_bytes(other)
    (folder / "names.txt").write_text("cat\ndog\nbird\n")
    (folder / "two.txt").write_text("cat\ndog\n")
    (folder / "bits.toml").write_text("density = 1\nweight_bits = 8\n")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_a_compressed_network_runs_from_its_inputs_to_its_answers(cli, here):
    result = cli("run", "net.dcz", "--inputs", "x.npz", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    images = np.load("x.npy")
    model = compressed(residual(), here)
    alone = run_network(plan_network(model), images)
    assert [row["node"] for row in document["nodes"]] == list(alone.nodes)
    assert document["latency_cycles"] == alone.latency_cycles.tolist()
    best = [one[0]["class"] for one in document["best"]]
    assert best == alone.outputs["y"].argmax(axis=1).tolist()
    assert "the machine takes weight_bits=" in result.stderr


def test_the_table_has_nodes_and_host_in_the_order_in_which_they_run(cli, here):
    shown = cli("run", "net.dcz", "--inputs", "one.npy").stdout
    rows = [line.split()[0] for line in shown.splitlines() if line.split()]
    steps = [row for row in rows if row in (*LAYERS, "host:", "total")]
    assert [step for step in steps if step != "host:"] == [*LAYERS, "total"]
    assert "host:" in steps
    assert "1 inference: 91 products" in shown
    assert "probability" in shown
    assert "agreement with the uncompressed network: unknown; --against FILE.onnx compares" in shown


def test_an_onnx_file_is_compressed_on_the_way_and_compared_with_itself(cli, here):
    shown = cli(
        "run", "model.onnx", "--inputs", "x.npz", "--density", "1", "--weight-bits", "8", "--labels", "labels.npy"
    ).stdout
    assert "right: 5 of 5 (100.0 %)\n" in shown
    assert "beside model.onnx, not compressed, in ONNX Runtime: same class in 5 of 5 (100.0 %)" in shown
    assert "right without compression: 5 of 5" in shown


def test_options_of_compression_come_from_a_file_too(cli, here):
    of_file = cli("run", "model.onnx", "--inputs", "x.npz", "--compression", "bits.toml", "--json")
    of_options = cli("run", "model.onnx", "--inputs", "x.npz", "--density", "1", "--weight-bits", "8", "--json")
    assert json.loads(of_file.stdout)["nodes"] == json.loads(of_options.stdout)["nodes"]


def test_a_compressed_file_is_compared_with_the_network_that_it_was(cli, here):
    document = json.loads(cli("run", "net.dcz", "--inputs", "x.npz", "--against", "model.onnx", "--json").stdout)
    assert document["uncompressed"]["agree"] == 5
    assert document["uncompressed"]["difference"] < 1e-5


def test_samples_along_another_axis_are_pointed_at(cli, here):
    model = made(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")],
        {"w": few(1, 4, 3)},
        {"x": [2, "n", 4]},
        {"y": [2, "n", 3]},
    )
    (here / "axes.onnx").write_bytes(model.SerializeToString())
    np.save("axes.npy", np.ones((2, 6, 4), np.float32))
    words = ("run", "axes.onnx", "--inputs", "axes.npy", "--density", "1", "--weight-bits", "8")
    result = cli(*words)
    assert "all 6 along axis 1 are one inference; --batch-axis x=1 makes an inference of each" in result.stderr
    assert "1 inference:" in result.stdout
    again = cli(*words, "--batch-axis", "x=1", "--batch-axis", "y=1")
    assert "along axis" not in again.stderr
    assert "6 inferences:" in again.stdout


def test_waits_for_dram_and_link_are_shown(cli, here):
    machine = ("--set", "dram_bytes_per_s=1e9", "--set", "n_chips=2", "--set", "link_bytes_per_s=1e9")
    shown = cli("run", "net.dcz", "--inputs", "one.npy", *machine).stdout
    assert "2 chips of 64 PEs" in shown
    assert "cycles waited for DRAM and link" in shown


def test_classes_are_named(cli, here):
    shown = cli("run", "net.dcz", "--inputs", "one.npy", "--classes", "names.txt").stdout
    assert {"cat", "dog", "bird"} <= set(shown.split())


def test_a_folder_gets_results_outputs_and_a_picture(cli, here, tmp_path):
    result = cli("run", "net.dcz", "--inputs", "x.npz", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "results.json", "results.csv", "outputs.npz", "network.png",
    }  # fmt: skip
    with np.load(tmp_path / "o" / "outputs.npz") as outputs:
        assert outputs["y"].shape == (5, 3)
    with Image.open(tmp_path / "o" / "network.png") as picture:
        assert picture.width == 1600


def test_the_machine_of_the_command_line_keeps_the_widths_that_it_says(cli, here):
    result = cli("run", "net.dcz", "--inputs", "one.npy", "--set", "weight_bits=8", "--json")
    assert json.loads(result.stdout)["arch"]["weight_bits"] == 8
    assert "the machine takes" not in result.stderr


def test_a_product_of_a_node_takes_the_cycles_that_it_took_in_the_network(cli, here, tmp_path):
    counted = 0
    for product in range(30):
        words = ("--node", "pointwise", "--product", str(product), "--out", tmp_path / "t.json", "--json")
        result = cli("trace", "net.dcz", "--inputs", "one.npy", *words)
        assert result.exit_code == 0, result.stderr
        counted += json.loads(result.stdout)["cycles"]
    document = json.loads(cli("run", "net.dcz", "--inputs", "one.npy", "--json").stdout)
    assert counted == next(row for row in document["nodes"] if row["node"] == "pointwise")["cycles"]


def test_a_picture_of_the_network_or_of_one_product_is_drawn(cli, here, tmp_path):
    whole = cli("plot", "net.dcz", "--inputs", "one.npy", "--out", tmp_path / "whole", "--format", "png,svg")
    assert whole.exit_code == 0, whole.stderr
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {"network.png", "network.svg"}
    words = ("--node", "fc", "--kind", "balance", "--out", tmp_path / "one")
    assert cli("plot", "net.dcz", "--inputs", "one.npy", *words).exit_code == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["balance-fc.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run model.onnx --density 1", "--inputs: must be given, or --photo: model.onnx takes x (nx2x6x5)"),
        ("run model.onnx --inputs x.npz", "--density: must be given"),
        ("run net.dcz --inputs x.npz --density 1", "--density: is for ONNX files, which are compressed on the way"),
        ("run net.dcz --inputs x.npz --acts x.npy", "--acts: is for layers, but net.dcz runs as a whole network"),
        (
            "run net.dcz --labels labels.npy",
            "--labels: is for a whole network: a FILE of one",
        ),
        ("run --inputs x.npz", "--inputs: is for a whole network: a FILE of one"),
        ("run net.dcz --inputs x.npz --labels wrong.npy", "wrong.npy: shape (3,), but there are 5 inferences"),
        ("run net.dcz --inputs x.npz --classes two.txt", "--classes: two.txt names 2 classes, but the network has 3"),
        ("run net.dcz --inputs x.npz --labels high.npy", "--labels: 7, but the classes are 0 to 2"),
        ("run net.dcz --inputs none.npy", "none.npy: holds no sample"),
        ("run junk.onnx --inputs x.npz", "junk.onnx: "),
        ("run net.dcz --inputs x.npz --against other.onnx", "other.onnx: takes 'c'; it is not the network that was"),
        ("run random:8x8 --set n_chips=4", "n_chips: 4, but it is for a whole network, which takes --inputs"),
        (
            "run net.dcz --inputs x.npz --set spmat_bytes=48 --set strict_capacity=true",
            "spmat_bytes: the network needs 64 bytes in the fullest PE, the machine has 48",
        ),
        ("run net.dcz --inputs x.npz --output z", "--output: 'z', but the network has y"),
        ("run net.dcz --inputs names.txt", "names.txt: is not an .npz or .npy file of arrays"),
        ("run net.dcz --inputs x.npz --lowering fft", "--lowering: 'fft', but it must be im2col or winograd"),
        ("run net.dcz --inputs x.npz --batch-axis x=a", "--batch-axis: x='a', but it must be an axis"),
        ("run net.dcz --inputs x.npz --photo x.png", "inputs: a whole network takes inputs or a photo, one of them"),
        ("trace net.dcz --inputs x.npz --out t.json", "--node: must be given; the network has first, depthwise"),
        (
            "trace net.dcz --inputs x.npz --node fc --product 1 --out t.json",
            "--product: 1, but fc has the products 0 to 0",
        ),
        ("trace net.dcz --inputs x.npz --node fc --input 5 --out t.json", "input: 5, but there are inferences 0 to 4"),
        (
            "plot net.dcz --inputs x.npz --product 1 --out p",
            "--product: is for a product of a network, which --node names",
        ),
        ("plot net.dcz --node fc --out p", "--node: is for a whole network"),
    ],
)
def test_what_does_not_fit_is_one_line(fails, here, words, message):
    assert message in fails(*words.split())


def test_a_network_without_a_graph_is_refused(fails, files, here):
    assert "has no graph" in fails("run", files / "chain.eie", "--inputs", "x.npz")


def test_a_photo_is_for_squeezenet_alone(fails, here, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    assert "the network is not SqueezeNet 1.0" in fails("run", "net.dcz", "--photo", tmp_path / "p.png")


def test_a_run_that_was_interrupted_goes_on_where_it_was(cli, here, tmp_path, monkeypatch):
    whole = json.loads(cli("run", "net.dcz", "--inputs", "x.npz", "--json").stdout)
    words = ("run", "net.dcz", "--inputs", "x.npz", "--chunk", "1", "--out", tmp_path / "o")
    real = network_run.run_network

    def interrupted(*arguments, progress, **more):
        def stop(done, of):
            if done == 2:
                raise KeyboardInterrupt

        return real(*arguments, progress=stop, **more)

    with monkeypatch.context() as patch:
        patch.setattr(network_run, "run_network", interrupted)
        stopped = cli(*words)
    assert stopped.exit_code == 130
    assert "the same command goes on from there" in stopped.stderr
    kept = [path.name for path in (tmp_path / "o" / "parts").iterdir() if path.suffix == ".npz"]
    assert len(kept) == 2
    again = cli(*words)
    assert again.exit_code == 0, again.stderr
    assert "goes on with the inferences in" in again.stderr
    assert json.loads((tmp_path / "o" / "results.json").read_text())["nodes"] == whole["nodes"]
    assert not (tmp_path / "o" / "parts").exists()


def test_processes_give_the_same_results(cli, here):
    one, two = (cli("run", "net.dcz", "--inputs", "x.npz", "--json", *more) for more in ((), ("--jobs", "2")))
    assert two.exit_code == 0, two.stderr
    names = ("nodes", "latency_cycles", "energy_uj", "best", "summary")
    assert [json.loads(one.stdout)[name] for name in names] == [json.loads(two.stdout)[name] for name in names]


def test_a_report_sets_the_network_beside_the_baselines_and_this_host(cli, here, tmp_path):
    result = cli("report", "net.dcz", "--inputs", "x.npz", "--out", tmp_path, "--html", tmp_path / "page.html")
    assert result.exit_code == 0, result.stderr
    document = json.loads((tmp_path / "report.json").read_text())
    made = {(row["device"], row["figure"]) for row in document["baselines"]}
    assert ("Titan X", "modelled") in made
    assert ("this host, 1 thread", "measured") in made
    machine_us = sum(document["latency_cycles"]) / 5 / 800
    for row in document["baselines"]:
        assert row["speedup"] == pytest.approx(row["time_us"] / machine_us)
    page = (tmp_path / "page.html").read_text()
    assert all(name in page for name in (*LAYERS, "Beside the baselines", "Every parameter"))


def test_results_of_a_network_are_not_taken_for_those_of_layers(cli, fails, here, tmp_path):
    cli("run", "net.dcz", "--inputs", "one.npy", "--out", tmp_path / "o")
    assert "results of a whole network; give the model and --inputs in their place" in fails("report", tmp_path / "o")


def test_answers_of_infinite_scores_and_of_other_outputs_are_not_lost():
    assert largest_difference([-np.inf, 1.0], [-np.inf, 2.0]) == 0.5
    assert largest_difference([-np.inf, 1.0], [0.0, 1.0]) is None
    assert Answers.of([np.zeros((1, 2)), np.zeros((1, 3))]) is None
    assert Answers.of(np.array(["a", "b"], object)) is None
    mixed = Answers(np.array([[0.25, 0.75], [2.0, 2.0]]))
    assert mixed.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_a_run_of_no_sample_leaves_nothing_behind(fails, here, tmp_path):
    fails("run", "net.dcz", "--inputs", "none.npy", "--out", tmp_path / "o")
    assert not (tmp_path / "o" / "parts").exists()
