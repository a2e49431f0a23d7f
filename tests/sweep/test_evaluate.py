"""Every number of a row is what `simulate`, `eie_sim.cost` and `eie_sim.baselines` say of the same point."""

from threading import get_ident

import numpy as np
import pytest

from compressor import PackedModel, pack_codes, save_model
from compressor.jit import in_threads
from eie_sim import ArchConfig, simulate, simulate_model
from eie_sim.baselines.devices import device, write_device
from eie_sim.baselines.roofline import dense_time_us, sparse_time_us
from eie_sim.capacity import capacity_report, model_capacity_report
from eie_sim.columns import MEASURED, plain
from eie_sim.cost import CALIBRATIONS, area, missing_bytes
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.cost.energy import energy, model_energy
from eie_sim.cost.technology import SCALINGS
from eie_sim.networks import published_layer
from eie_sim.sweep import evaluate
from eie_sim.sweep.baseline import Baseline, beside, parsed_baseline
from eie_sim.sweep.columns import METRICS, PRICING, WHOLE
from eie_sim.sweep.evaluate import compute
from eie_sim.sweep.records import Point, Prices, Task
from eie_sim.sweep.workloads import WorkloadName
from tests.sweep import tiny

BASELINES = {
    f"{name} {kind}": Baseline(device(name), kind) for name in ("Titan X", "i7-5930K") for kind in ("dense", "sparse")
}

PLAIN = Prices(DEFAULT, "paper", "none", 1)

SIZES = {"fc1": (60, 40), "fc2": (20, 60), "fc3": (10, 20)}

MACHINES = [
    ArchConfig(n_pe=4),
    ArchConfig(n_pe=3, act_queue_depth=1, spmat_width_bits=16, index_bits=3),
    ArchConfig(n_pe=16, clock_hz=1.2e9, technology_nm=28.0, lnzd_fanin=2),
    ArchConfig(n_pe=4, arithmetic="fixed8", rounding="truncate"),
    ArchConfig(n_pe=4, arithmetic="fixed16", acc_bits=8, act_frac_bits=6),
    ArchConfig(n_pe=4, bias="preload"),
    ArchConfig(n_pe=2, spmat_bytes=64, ptr_bytes=64),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(0)
    layers = []
    for name, size in SIZES.items():
        codes = rng.integers(1, 16, size) * (rng.random(size) < 0.2)
        layers.append(pack_codes(codes.astype(np.uint8), tiny.BOOK, n_pe=4, name=name))
    save_model(PackedModel(tuple(layers), ("relu", "relu", "none")), folder / "chain.eie")
    empty = pack_codes(np.zeros((6, 5), np.uint8), tiny.BOOK, n_pe=4, name="empty")
    save_model(PackedModel((empty,), ("none",)), folder / "empty.eie")
    return folder


@pytest.fixture
def request_of(folder):
    return lambda name, **more: WorkloadName(name, str(folder), **{"act_density": 0.6, **more})


@pytest.fixture
def simulations(monkeypatch):
    """The machines that were run."""
    ran = []

    def counted(layer, acts, arch, **more):
        ran.append(arch)
        return simulate(layer, acts, arch, **more)

    monkeypatch.setattr(evaluate, "simulate", counted)
    return ran


def rows(request, *points, order="as it is"):
    """The answers to points (machine, prices) as rows; none may fail."""
    answers = compute(
        Task(request, order, tuple(Point(at, *one) for at, one in enumerate(points)), baselines=BASELINES)
    )
    assert [one.number for one in answers] == list(range(len(points)))
    assert [one.error for one in answers] == [""] * len(points)
    assert all(tuple(one.metrics) == tuple(METRICS) for one in answers)
    return [one.metrics for one in answers]


def measured(result):
    return {column.name: plain(column.value(result)) for column in MEASURED if column.name in METRICS}


# One layer ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", MACHINES, ids=range(len(MACHINES)))
@pytest.mark.parametrize("order", ["as it is", "greedy"])
def test_a_row_of_one_layer_says_what_the_parts_say(request_of, arch, order):
    request = request_of("chain.eie#fc1")
    (row,) = rows(request, (arch, Prices(DEFAULT, "paper", "Titan X dense", 1)), order=order)
    work = request.make()
    (layer,) = work.packed(arch.n_pe, arch.index_bits, order)
    result = simulate(layer, work.acts, arch)
    spent = energy(result)
    time_us = dense_time_us(device("Titan X"), 40, 60)
    assert row == {
        **measured(result),
        "layers": 1,
        "energy_nj": spent.total_nj,
        "power_w": spent.power_w,
        "pj_per_mac": spent.pj_per_mac,
        "edp_nj_us": spent.edp_nj_us,
        "area_mm2": area(arch).total_mm2,
        "fits_sram": int(all(need.fits for need in capacity_report(layer, arch))),
        "missing_bytes": sum(missing_bytes(layer, arch)),
        "baseline_us": time_us,
        "speedup": time_us / result.time_us,
        "baseline_uj": time_us * device("Titan X").power_w,
        "energy_ratio": pytest.approx(time_us * device("Titan X").power_w / spent.total_nj * 1000),
    }


def test_the_small_machine_is_one_that_does_not_fit(request_of):
    """Else the test above would not see what is missing."""
    row, fitting = rows(request_of("chain.eie#fc1"), (MACHINES[-1], PLAIN), (MACHINES[0], PLAIN))
    assert row["fits_sram"] == 0 < row["missing_bytes"]
    assert (fitting["fits_sram"], fitting["missing_bytes"]) == (1, 0)


def test_saturations_are_counted(request_of):
    saturated, exact = rows(request_of("chain.eie#fc1"), (MACHINES[4], PLAIN), (MACHINES[0], PLAIN))
    assert exact["saturations"] == 0 < saturated["saturations"]


def test_every_calibration_and_rule_has_its_prices(request_of):

    arch = ArchConfig(n_pe=4, technology_nm=28.0)
    points = [(arch, Prices(name, rule, "none", 1)) for name in CALIBRATIONS for rule in SCALINGS]
    work = request_of("chain.eie#fc1").make()
    result = simulate(*work.packed(4, 4, "as it is"), work.acts, arch)
    found = rows(request_of("chain.eie#fc1"), *points)
    assert [row["energy_nj"] for row in found] == [
        energy(result, prices.calibration, prices.scaling_rule).total_nj for _, prices in points
    ]
    assert len({row["energy_nj"] for row in found}) > len(SCALINGS)
    assert {row["cycles"] for row in found} == {result.cycles}


def test_a_rule_that_says_nothing_of_areas_leaves_the_area_empty(request_of):

    arch = ArchConfig(n_pe=4, technology_nm=28.0)
    for rule in SCALINGS:
        (row,) = rows(request_of("chain.eie#fc1"), (arch, Prices(DEFAULT, rule, "none", 1)))
        try:
            expected = area(arch, rule).total_mm2
        except ValueError:
            expected = None
        assert row["area_mm2"] == expected


def test_prices_are_the_columns_that_price_a_run():
    assert Prices._fields == tuple(PRICING)


def test_metrics_are_of_the_types_that_a_store_holds(request_of):
    for name in ("chain.eie", "chain.eie#fc1"):
        (row,) = rows(request_of(name), (MACHINES[0], Prices(DEFAULT, "paper", "Titan X dense", 1)))
        assert {key: type(value) for key, value in row.items()} == {
            key: int if key in WHOLE else float for key in METRICS
        }


def test_a_layer_without_weights_has_a_row(request_of):
    (row,) = rows(request_of("empty.eie"), (MACHINES[0], PLAIN))
    assert (row["entries"], row["pj_per_mac"]) == (0, None)
    assert row["cycles"] > 0


def test_inputs_that_are_all_zero_have_a_row(request_of):
    for name in ("chain.eie", "chain.eie#fc1"):
        (row,) = rows(request_of(name, act_density=0.0), (MACHINES[0], PLAIN))
        assert (row["broadcasts"], row["entries"]) == (0, 0)


# Chains ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", MACHINES, ids=range(len(MACHINES)))
def test_a_row_of_a_chain_is_the_whole_inference(request_of, arch):
    request = request_of("chain.eie")
    (row,) = rows(request, (arch, Prices(DEFAULT, "paper", "Titan X dense", 1)))
    work = request.make()
    model = PackedModel(work.packed(arch.n_pe, arch.index_bits, "as it is"), work.activations)
    result = simulate_model(model, work.acts, arch)
    each = [measured(one) for one in result.layers]
    spent = model_energy(result)
    assert (row["layers"], row["n_rows"], row["n_cols"]) == (3, 10, 40)
    for name in set(each[0]) - {"n_rows", "n_cols", "load_balance", "real_work", "gops", "dense_gops"}:
        assert row[name] == sum(one[name] for one in each), name
    assert (row["cycles"], row["time_us"]) == (result.cycles, result.time_us)
    macs = row["entries"] - row["fillers"]
    assert row["load_balance"] == pytest.approx(row["entries"] / (arch.n_pe * row["cycles"]))
    assert row["real_work"] == pytest.approx(macs / row["entries"])
    assert row["gops"] == pytest.approx(2 * macs / row["time_us"] * 1e-3)
    assert row["dense_gops"] == pytest.approx(2 * sum(n * m for n, m in SIZES.values()) / row["time_us"] * 1e-3)
    assert row["energy_nj"] == spent.total_nj
    assert row["power_w"] == spent.power_w
    assert row["pj_per_mac"] == spent.pj_per_mac
    assert row["edp_nj_us"] == spent.edp_nj_us
    assert row["area_mm2"] == area(arch).total_mm2
    assert row["fits_sram"] == all(need.fits for need in model_capacity_report(model, arch))
    assert row["missing_bytes"] == sum(missing_bytes(model, arch))
    time_us = sum(dense_time_us(device("Titan X"), n_cols, n_rows) for n_rows, n_cols in SIZES.values())
    assert row["baseline_us"] == pytest.approx(time_us)
    assert row["speedup"] == pytest.approx(time_us / row["time_us"])
    assert row["energy_ratio"] == pytest.approx(row["baseline_uj"] * 1e3 / row["energy_nj"])


# Baselines ------------------------------------------------------------------------------------------------------------


def test_without_a_baseline_its_columns_are_empty(request_of):
    (row,) = rows(request_of("chain.eie"), (MACHINES[0], PLAIN))
    assert [row[name] for name in ("baseline_us", "speedup", "baseline_uj", "energy_ratio")] == [None] * 4


@pytest.mark.parametrize("batch", [1, 64])
def test_baselines_are_the_roofline(request_of, batch):
    (layer,) = request_of("chain.eie#fc1").make().layers
    one = device("Titan X")
    assert beside((layer,), Baseline(one, "dense"), batch) == (dense_time_us(one, 40, 60, batch), one.power_w)
    assert beside((layer,), Baseline(one, "sparse"), batch) == (
        sparse_time_us(one, 40, 60, layer.density, batch),
        one.power_w,
    )


@pytest.mark.compiled_only
def test_the_density_of_a_published_layer_is_that_of_table_iii():
    published = published_layer("NT-We")
    expected = sparse_time_us(device("Titan X"), published.inputs, published.outputs, published.weight_density)
    assert beside(WorkloadName("NT-We").make().layers, Baseline(device("Titan X"), "sparse"), 1).time_us == expected


def test_a_baseline_can_be_a_file(tmp_path):
    write_device(tmp_path / "mine.toml", device("Titan X"))
    found, kind = parsed_baseline(f"{tmp_path / 'mine.toml'} sparse")
    assert (found, kind) == (device("Titan X"), "sparse")


def test_a_file_of_a_baseline_that_changes_is_read_again(tmp_path):
    file = tmp_path / "mine.toml"
    one = device("Titan X")
    write_device(file, one)
    assert parsed_baseline(f"{file} dense").device == one
    file.unlink()
    write_device(file, one.replace(power_w=one.power_w + 1))
    assert parsed_baseline(f"{file} dense").device.power_w == one.power_w + 1


@pytest.mark.parametrize("text", ["Titan X", "dense", " dense", "", "Titan X Dense", "Titan X quick"])
def test_a_baseline_is_a_device_and_a_kind(text):
    with pytest.raises(ValueError, match="but it must be a device, then dense or sparse, as in 'Titan X dense'"):
        parsed_baseline(text)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="Titan Y"):
        parsed_baseline("Titan Y dense")


# Sharing --------------------------------------------------------------------------------------------------------------


def test_points_of_one_timing_share_one_simulation(request_of, simulations):
    timed = [ArchConfig(n_pe=4, act_queue_depth=depth) for depth in (1, 8)]
    points = [
        (arch.replace(clock_hz=clock, technology_nm=node, lnzd_fanin=fanin, spmat_bytes=size), PLAIN)
        for arch in timed
        for clock in (1e8, 1e9)
        for node in (45.0, 28.0)
        for fanin in (2, 4)
        for size in (64, 131072)
    ]
    found = rows(request_of("chain.eie#fc1"), *points)
    assert len(simulations) == 2
    for (arch, _), row in zip(points, found, strict=True):  # and each has its own numbers all the same
        (alone,) = rows(request_of("chain.eie#fc1"), (arch, PLAIN))
        assert row == alone


@pytest.mark.parametrize(
    "change",
    [{"act_queue_depth": 2}, {"spmat_width_bits": 8}, {"index_bits": 5}, {"n_pe": 8}, {"arithmetic": "fixed16"}],
)
def test_points_of_another_timing_do_not(request_of, simulations, change):
    arch = ArchConfig(n_pe=4)
    rows(request_of("chain.eie#fc1"), (arch, PLAIN), (arch.replace(**change), PLAIN), (arch, PLAIN))
    assert len(simulations) == 2


def test_a_chain_runs_each_layer_once_for_a_timing(request_of, simulations):
    rows(request_of("chain.eie"), *((ArchConfig(n_pe=4, clock_hz=clock), PLAIN) for clock in (1e8, 2e8, 3e8)))
    assert len(simulations) == 3


# Failures -------------------------------------------------------------------------------------------------------------


def test_a_point_that_fails_stops_no_other(request_of):
    good = ArchConfig(n_pe=4)
    wrong_codes = good.replace(weight_bits=5)
    strange_node = good.replace(technology_nm=7.0)
    points = tuple(Point(at, arch, PLAIN) for at, arch in enumerate((good, wrong_codes, strange_node, good), 7))
    answers = compute(Task(request_of("chain.eie#fc1"), "as it is", points))
    assert [one.number for one in answers] == [7, 8, 9, 10]
    assert "weight_bits" in answers[1].error
    assert "technology_nm" in answers[2].error
    assert answers[1].metrics is answers[2].metrics is None
    assert answers[0].metrics == answers[3].metrics
    assert answers[0].error == answers[3].error == ""


def test_a_batch_that_a_device_was_not_measured_with_is_an_error_of_its_point(request_of):
    (answer,) = compute(
        Task(
            request_of("chain.eie#fc1"),
            "as it is",
            (Point(0, MACHINES[0], Prices(DEFAULT, "paper", "Titan X dense", 3)),),
            baselines=BASELINES,
        )
    )
    assert answer.metrics is None
    assert "batch" in answer.error


@pytest.mark.parametrize("name", ["none.eie", "chain.eie#fc9"])
def test_every_point_of_a_workload_that_cannot_be_made_has_its_error(request_of, name):
    answers = compute(Task(request_of(name), "as it is", (Point(3, MACHINES[0], PLAIN), Point(4, MACHINES[1], PLAIN))))
    assert [(one.number, one.metrics) for one in answers] == [(3, None), (4, None)]
    assert name.partition("#")[0] in answers[0].error
    assert answers[0].error == answers[1].error


@pytest.mark.parametrize(
    "error", [KeyError("lost"), ZeroDivisionError("zero"), MemoryError(), ValueError("two\nlines")]
)
def test_whatever_goes_wrong_with_a_point_is_one_line(request_of, monkeypatch, error):
    def broken(*_arguments, **_more):
        raise error

    monkeypatch.setattr(evaluate, "simulate", broken)
    (answer,) = compute(Task(request_of("chain.eie#fc1"), "as it is", (Point(0, MACHINES[0], PLAIN),)))
    assert answer.metrics is None
    assert answer.error
    assert "\n" not in answer.error


def test_whatever_goes_wrong_with_a_workload_is_recorded(request_of, monkeypatch):
    def broken(*_arguments):
        raise IndexError("lost")

    monkeypatch.setattr(WorkloadName, "work", broken)
    (answer,) = compute(Task(request_of("chain.eie#fc1"), "as it is", (Point(0, MACHINES[0], PLAIN),)))
    assert "lost" in answer.error


def test_the_time_of_a_task_is_shared_by_its_points(request_of):
    answers = compute(
        Task(request_of("chain.eie#fc1"), "as it is", tuple(Point(at, MACHINES[0], PLAIN) for at in (0, 1)))
    )
    assert answers[0].seconds == answers[1].seconds > 0


def test_a_simulation_that_fails_is_tried_once_for_all_its_points(request_of, monkeypatch):
    tried = []

    def refused(layer, acts, arch, **more):
        tried.append(arch)
        raise ValueError("no such machine")

    monkeypatch.setattr(evaluate, "simulate", refused)
    clocks = [ArchConfig(n_pe=4, clock_hz=clock) for clock in (6e8, 8e8, 1e9)]
    points = tuple(Point(number, arch, PLAIN) for number, arch in enumerate(clocks))
    answers = compute(Task(request_of("chain.eie#fc1"), "as it is", points))
    assert [answer.error for answer in answers] == ["no such machine"] * 3
    assert len(tried) == 1


def test_a_worker_takes_one_core_for_it_has_others_beside_it(request_of, monkeypatch):
    found = []

    def seen(layer, acts, arch, **more):
        found.append(in_threads(lambda _: get_ident(), range(8)))
        return simulate(layer, acts, arch, **more)

    monkeypatch.setattr(evaluate, "simulate", seen)
    (answer,) = compute(Task(request_of("chain.eie#fc1"), "as it is", (Point(0, ArchConfig(n_pe=4), PLAIN),)))
    assert answer.metrics is not None
    assert set(found[0]) == {get_ident()}
