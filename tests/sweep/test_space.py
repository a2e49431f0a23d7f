"""The space of a sweep: which points there are, always the same ones, and what is no space is one line of error."""

import itertools
import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eie_sim import ArchConfig
from eie_sim.cost import area
from eie_sim.limits import MOST_STORED
from eie_sim.networks import published_layers
from eie_sim.sweep.axes import DEFAULTS, MAX_POINTS, Range
from eie_sim.sweep.columns import INPUTS, MACHINE
from eie_sim.sweep.plan import plan
from eie_sim.sweep.points import check_alone
from eie_sim.sweep.space import Space
from tests.examples import examples

some = settings(max_examples=examples(100), deadline=None)


def space(workload="NT-We", where=(), sampling="grid", samples=None, sampling_seed=0, point=(), **axes):
    """A space of these axes."""
    if workload is not None:
        axes = {"workload": workload, **axes}
    return Space(
        axes=axes, where=list(where), sampling=sampling, samples=samples, sampling_seed=sampling_seed, point=list(point)
    )


def between(start, stop, **more):
    return {"from": start, "to": stop, **more}


def one_line(message):
    return rf"\A[^\n]*{re.escape(message)}[^\n]*\Z"


def column(points, name):
    return [points.value(name, at) for at in range(len(points))]


def from_text(folder, text, name="a.toml"):
    (folder / name).write_text(text)
    return Space.from_toml(folder / name)


# Axes and grids -------------------------------------------------------------------------------------------------------


def test_a_grid_has_every_combination_once_the_last_axis_fastest():
    points = space(["a.eie", "b.eie"], n_pe=[1, 4], seed=between(0, 2)).points()
    found = [tuple(points.value(name, at) for name in ("workload", "n_pe", "seed")) for at in range(len(points))]
    assert found == list(itertools.product(["a.eie", "b.eie"], [1, 4], [0, 1, 2]))


def test_what_has_no_axis_comes_from_the_machine_and_the_defaults():
    machine = ArchConfig(n_pe=16)
    points = space(n_pe=16).points()
    assert len(points) == 1
    assert points.row(0) == {"workload": "NT-We", **DEFAULTS, **{name: getattr(machine, name) for name in MACHINE}}
    assert tuple(points.row(0)) == INPUTS


def test_a_preset_gives_the_machine():
    points = Space(preset="eie-256pe-28nm", axes={"workload": "NT-We"}).points()
    assert (points.value("n_pe", 0), points.value("technology_nm", 0)) == (256, 28.0)


def test_every_field_of_the_machine_can_be_an_axis():
    for name in MACHINE:
        usual = getattr(ArchConfig(), name)
        value = 4 if usual is None else usual
        assert space(**{name: [value]}).points().value(name, 0) == value


def test_all_stands_for_the_nine_layers():
    assert column(space("all").points(), "workload") == list(published_layers())
    assert column(space(["NT-We", "all"]).points(), "workload") == [
        "NT-We",
        *(name for name in published_layers() if name != "NT-We"),
    ]


def test_a_value_given_twice_is_one():
    assert len(space(["NT-We", "NT-We"], n_pe=[4, 4, 8]).points()) == 2


@pytest.mark.parametrize(
    ("given_range", "values"),
    [
        (between(3, 3), [3]),
        (between(1, 5), [1, 2, 3, 4, 5]),
        (between(1, 10, step=4), [1, 5, 9]),
        (between(1, 1024, factor=4), [1, 4, 16, 64, 256, 1024]),
        (between(1, 1023, factor=4), [1, 4, 16, 64, 256]),
        (between(1, 6, factor=1.5), [1, 2, 3, 5]),
        (between(0.5, 2.0, step=0.5), [0.5, 1.0, 1.5, 2.0]),
        (between(1.0, 8.0, factor=2), [1.0, 2.0, 4.0, 8.0]),
        (between(1e8, 1e9, factor=10), [1e8, 1e9]),
        (between(-2, 2, step=2), [-2, 0, 2]),
    ],
)
def test_values_of_a_range(given_range, values):
    found = Range(**given_range).values("x")
    assert list(found) == pytest.approx(values, rel=1e-12)
    assert [type(one) for one in found] == [type(one) for one in values]


@some
@given(start=st.integers(-50, 50), length=st.integers(0, 100), step=st.integers(1, 7), factor=st.floats(1.01, 9))
def test_a_range_rises_from_its_first_value_and_stays_in_it(start, length, step, factor):
    added = Range(**between(start, start + length, step=step)).values("x")
    assert added == tuple(range(start, start + length + 1, step))
    first = abs(start) + 1
    multiplied = Range(**between(first, first + length, factor=factor)).values("x")
    assert multiplied[0] == first
    assert all(a < b for a, b in itertools.pairwise(multiplied))
    assert multiplied[-1] <= first + length < multiplied[-1] * factor + factor


def test_no_value_of_a_range_lies_beyond_its_end():
    assert max(Range(**between(0.1, 0.7, step=0.1)).values("x")) <= 0.7


# Samples --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["random", "latin_hypercube"])
def test_a_sample_is_the_same_every_time_and_another_for_another_seed(sampling):
    def drawn(seed):
        wide = space(sampling=sampling, samples=50, sampling_seed=seed, n_pe=between(1, 10**6), seed=between(0, 10**6))
        return [wide.points().row(at) for at in range(50)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


@pytest.mark.parametrize("sampling", ["random", "latin_hypercube"])
def test_a_sample_draws_values_of_its_axes(sampling):
    points = space(
        ["NT-We", "NT-Wd"],
        sampling=sampling,
        samples=300,
        n_pe=[1, 4, 16],
        act_queue_depth=between(1, 256, factor=2),
        spmat_bytes=between(100, 500, step=100),
        seed=between(5, 9),
        clock_hz=between(1e8, 1e9, scale="log"),
    ).points()
    assert 250 < len(points) <= 300
    assert set(column(points, "workload")) == {"NT-We", "NT-Wd"}
    assert set(column(points, "n_pe")) == {1, 4, 16}
    assert set(column(points, "act_queue_depth")) == {1, 2, 4, 8, 16, 32, 64, 128, 256}
    assert set(column(points, "spmat_bytes")) == {100, 200, 300, 400, 500}
    assert set(column(points, "seed")) == {5, 6, 7, 8, 9}
    assert all(type(value) is int for value in column(points, "seed"))
    clocks = column(points, "clock_hz")
    assert min(clocks) >= 1e8
    assert max(clocks) <= 1e9
    assert np.median(clocks) == pytest.approx(10**8.5, rel=0.25)  # in the middle of the logarithms


def test_a_point_drawn_twice_is_one():
    points = space(sampling="random", samples=100, n_pe=[1, 2]).points()
    assert sorted(column(points, "n_pe")) == [1, 2]


@some
@given(samples=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_latin_hypercube_has_one_point_in_each_part_of_each_axis(samples, seed):
    points = space(
        sampling="latin_hypercube",
        samples=samples,
        sampling_seed=seed,
        seed=between(0, samples - 1),
        clock_hz=between(1.0, 1001.0),
        technology_nm=between(1.0, 64.0, scale="log"),
    ).points()
    assert sorted(column(points, "seed")) == list(range(samples))
    for place in (
        (np.array(column(points, "clock_hz")) - 1) / 1000,
        np.log2(column(points, "technology_nm")) / 6,
    ):
        assert sorted(np.minimum(np.floor(place * samples + 1e-9), samples - 1)) == list(range(samples))


@some
@given(
    start=st.integers(-(2**40), 2**40),
    length=st.integers(0, 2**40),
    share=st.floats(0, 1, exclude_max=True),
    scale=st.sampled_from(["linear", "log"]),
)
def test_what_is_drawn_from_a_range_lies_in_it(start, length, share, scale):
    start = abs(start) + 1 if scale == "log" else start
    (value,) = Range(**between(start, start + length, scale=scale)).at(np.array([share]))
    assert start <= value <= start + length
    (value,) = Range(**between(float(start), float(start + length), scale=scale)).at(np.array([share]))
    assert start <= value <= start + length


def test_the_largest_number_can_be_drawn():
    drawn = space(sampling="random", samples=1, seed=between(MOST_STORED, MOST_STORED)).points().value("seed", 0)
    assert drawn == MOST_STORED


# Explicit points ------------------------------------------------------------------------------------------------------


def test_explicit_points_stand_as_they_are_given():
    points = space(
        None, point=[{"workload": "a.eie", "n_pe": 4}, {"workload": "b.eie"}, {"workload": "a.eie", "seed": 2}], seed=7
    ).points()
    found = [tuple(points.value(name, at) for name in ("workload", "n_pe", "seed")) for at in range(len(points))]
    assert found == [("a.eie", 4, 7), ("b.eie", 64, 7), ("a.eie", 64, 2)]


def test_an_explicit_point_given_twice_is_one():
    assert len(space(point=[{"n_pe": 4}, {"n_pe": 64}, {}, {"n_pe": 4}]).points()) == 2


def test_explicit_points_need_a_workload_and_axes_of_one_value():
    with pytest.raises(ValueError, match="point: each needs a workload, or the axes one for all"):
        space(None, point=[{"workload": "NT-We"}, {"n_pe": 4}]).points()
    with pytest.raises(ValueError, match="axes: n_pe: 2 values, but explicit points leave one to an axis"):
        space(point=[{"seed": 1}], n_pe=[1, 2]).points()


# Conditions -----------------------------------------------------------------------------------------------------------


def test_a_condition_on_inputs_leaves_points_out():
    points = space(
        n_pe=[1, 2, 4, 8], act_queue_depth=[1, 8], where=["n_pe * act_queue_depth <= 16", "n_pe > 1"]
    ).points()
    found = set(zip(column(points, "n_pe"), column(points, "act_queue_depth"), strict=True))
    assert found == {(2, 1), (4, 1), (8, 1), (2, 8)}


def test_a_condition_on_the_area_is_known_beforehand():
    sizes = [1, 16, 64, 128]
    points = space(n_pe=sizes, technology_nm=[45.0, 28.0], where=["area_mm2 < 41"]).points()
    expected = {
        (n_pe, node)
        for n_pe in sizes
        for node in (45.0, 28.0)
        if area(ArchConfig(n_pe=n_pe, technology_nm=node)).total_mm2 < 41
    }
    assert set(zip(column(points, "n_pe"), column(points, "technology_nm"), strict=True)) == expected
    assert 0 < len(expected) < 8


def test_a_point_without_a_machine_has_no_area():
    points = space(spmat_width_bits=[4, 64], where=["area_mm2 > 0"]).points()  # an entry has 8 bits
    assert column(points, "spmat_width_bits") == [64]


def test_a_condition_on_results_leaves_no_point_out():
    wide = space(n_pe=[1, 2], where=["cycles < 0", "energy_nj < n_pe"])
    assert len(wide.points()) == 2
    assert [one.text for one in wide.conditions] == ["cycles < 0", "energy_nj < n_pe"]


@pytest.mark.parametrize("where", [["n_pe > 64"], ["1 > 2"], ["n_pe < 64", "n_pe > 1"], ["acc_bits > 0"]])
def test_an_empty_space_is_an_error(where):
    with pytest.raises(ValueError, match=r"sweep 'sweep': no point of the space meets '.+'"):
        space(n_pe=[1, 64], where=where).points()


def test_a_condition_that_cannot_be_computed_is_an_error():
    with pytest.raises(ValueError, match="condition 'workload < n_pe': "):
        space(where=["workload < n_pe"]).points()


# What is no space -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "axes: workload is missing: what runs, such as 'Alex-7', 'all' or 'model.eie'"),
        ({"axes": {"n_pe": [1]}}, "axes: workload is missing"),
        ({"axes": {"workload": "NT-We", "n_pes": [1]}}, "axes: unknown 'n_pes'; there are workload, fit, seed, order"),
        ({"axes": {"workload": "NT-We", "name": "x"}}, "axes: unknown 'name'"),
        ({"axes": {"workload": "NT-We", "cycles": 3}}, "axes: unknown 'cycles'"),
        ({"point": [{"workload": "NT-We", "n_pes": 1}]}, "unknown 'n_pes'"),
        ({"axes": {"workload": "NT-We"}, "sample": 3}, "sample: unknown; a space has name, preset, arch, axes"),
        ({"axes": {"workload": []}}, "axes: workload: has no values"),
        ({"axes": {"workload": "NT-We", "n_pe": []}}, "axes: n_pe: has no values"),
        ({"axes": {"workload": [3]}}, "axes: workload: 3, but it must be a string"),
        ({"axes": {"workload": "NT-We", "order": "random"}}, "axes: order: 'random', but it must be one of as it is"),
        ({"axes": {"workload": "NT-We", "fit": "best"}}, "axes: fit: 'best', but it must be one of all_points"),
        ({"axes": {"workload": "NT-We", "calibration": "x"}}, "axes: calibration: 'x', but it must be one of"),
        ({"axes": {"workload": "NT-We", "scaling_rule": "x"}}, "axes: scaling_rule: 'x', but it must be one of"),
        ({"axes": {"workload": "NT-We", "seed": -1}}, "axes: seed: -1, but it must be an integer of at least 0"),
        ({"axes": {"workload": "NT-We", "seed": [0.5]}}, "axes: seed: 0.5, but it must be an integer"),
        ({"axes": {"workload": "NT-We", "batch": 0}}, "axes: batch: 0, but it must be an integer of at least 1"),
        (
            {"axes": {"workload": "NT-We", "seed": MOST_STORED + 1}},
            f"axes: seed: {MOST_STORED + 1}, but at most {MOST_STORED}",
        ),
        ({"axes": {"workload": "NT-We", "order": between(1, 3)}}, "axes: order: has no range, but a list of names"),
        ({"axes": {"workload": "NT-We"}, "where": ["n_pes > 1"]}, "condition 'n_pes > 1': unknown name 'n_pes'"),
        ({"axes": {"workload": "NT-We"}, "where": ["n_pe >"]}, "condition 'n_pe >': invalid syntax"),
        ({"axes": {"workload": "NT-We"}, "preset": "tpu"}, "preset: 'tpu', but it must be one of eie-64pe-45nm"),
        ({"axes": {"workload": "NT-We"}, "preset": "a", "arch": "b"}, "preset and arch: give one of them"),
        ({"axes": {"workload": "NT-We"}, "sampling": "random"}, "samples: is for sampling random or latin_hypercube"),
        ({"axes": {"workload": "NT-We"}, "samples": 3}, "samples: is for sampling random or latin_hypercube"),
        ({"axes": {"workload": "NT-We"}, "sampling": "sobol"}, "sampling: 'sobol': Input should be 'grid', 'random'"),
        ({"axes": {"workload": "NT-We"}, "samples": 0, "sampling": "random"}, "samples: 0: "),
        ({"axes": {"workload": "NT-We"}, "samples": MAX_POINTS + 1, "sampling": "random"}, "samples: 20000001: "),
        ({"axes": {"workload": "NT-We"}, "act_density": 1.5}, "act_density: 1.5: "),
        ({"axes": {"workload": "NT-We"}, "name": 3}, "name: 3: Input should be a valid string"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(fields, message):
    with pytest.raises(ValueError, match=one_line(message)):
        Space(**fields)


@pytest.mark.parametrize(
    ("given_range", "message"),
    [
        (between(4, 2), "axes: n_pe: from 4 to 2 there is nothing"),
        (between(1, 2, step=0), "axes: n_pe: step 0, factor None; from one value to the next it rises"),
        (between(1, 2, step=-1), "axes: n_pe: step -1, factor None"),
        (between(1, 2, factor=1), "axes: n_pe: step None, factor 1"),
        (between(1, 2, step=1, factor=2), "axes: n_pe: step and factor, but only one of them"),
        (between(0, 2, factor=2), "axes: n_pe: from 0, but a logarithmic range begins above 0"),
        (between(-1, 2, scale="log"), "axes: n_pe: from -1, but a logarithmic range begins above 0"),
        (between(1, MOST_STORED + 1), f"axes: n_pe: to {MOST_STORED + 1}, but at most {MOST_STORED}"),
        (between(1, 2, unit="bits"), "axes.n_pe: unit: unknown; a range has from, to, step, factor and scale"),
        ({"from": 1}, "axes.n_pe: to: missing; a range has from, to, step, factor and scale"),
        (between("1", 2), "axes.n_pe: '1': Input should be a valid integer"),
        (between(True, 2), "axes.n_pe: True: Input should be a valid integer"),
        (between(1, float("inf")), "axes: n_pe: to inf, but at most"),
        (between(1, float("nan")), "axes: n_pe: to nan, but at most"),
    ],
)
def test_a_range_without_values_is_refused(given_range, message):
    with pytest.raises(ValueError, match=one_line(message)):
        space(n_pe=given_range)


def test_a_grid_needs_to_know_how_a_range_goes_on():
    with pytest.raises(ValueError, match=r"axes: clock_hz: a grid needs step or factor between 1\.0 and 3\.0"):
        space(clock_hz=between(1.0, 3.0)).points()


def test_a_space_has_a_limit_that_is_known_before_it_is_made():
    with pytest.raises(ValueError, match="axes: n_pe: 100000000 values, but a space has at most 20000000 points"):
        space(n_pe=between(1, 10**8)).points()
    with pytest.raises(ValueError, match="sweep 'sweep': 100000000 points, but a space has at most 20000000"):
        space(n_pe=between(1, 10**4), seed=between(1, 10**4)).points()


@pytest.mark.parametrize(
    ("name", "given_range"),
    [
        ("clock_hz", between(5e-324, 1.0, factor=10)),
        ("clock_hz", between(0.0, 1e18, step=1e-300)),
        ("weight_frac_bits", between(-(10**400), 1)),
        ("clock_hz", between(1.0, 2.0, step=10**400)),
    ],
)
def test_a_range_of_extreme_numbers_is_an_error_or_has_values(name, given_range):
    with suppress(ValueError):
        assert len(space(**{name: given_range}).points())


@pytest.mark.parametrize(
    ("name", "given_range"),
    [("seed", between(-2, 2)), ("seed", between(0.5, 2.5, step=1)), ("batch", between(0, 2))],
)
def test_the_values_of_a_range_are_checked_as_those_of_a_list(name, given_range):
    with pytest.raises(ValueError, match=f"axes: {name}: .*integer"):
        space(**{name: given_range}).points()


@pytest.mark.parametrize("name", ["n_pe", "seed", "clock_hz"])
def test_true_is_no_number(name):
    with pytest.raises(ValueError, match=name):
        plan(space(**{name: [True]}), None)


def test_an_unknown_key_of_a_range_is_one_error():
    with pytest.raises(ValueError, match="unit") as caught:
        space(n_pe=between(1, 2, unit="bits"))
    assert "a space has name" not in str(caught.value)
    assert "valid list" not in str(caught.value)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"n_pe": [64, 0]}, "axes: n_pe: 0"),
        ({"n_pe": ["64"]}, "axes: n_pe: '64'"),
        ({"n_pe": [1.5]}, "axes: n_pe: 1.5"),
        ({"n_pe": [-(2**70)]}, "axes: n_pe: -1180591620717411303424"),
        ({"weight_bits": between(7, 9)}, "axes: weight_bits: 9"),
        ({"arithmetic": ["float64"]}, "axes: arithmetic: 'float64'"),
        ({"arithmetic": between(1, 2)}, "axes: arithmetic: 1"),
    ],
)
def test_a_value_that_no_machine_can_have_is_an_error_before_anything_runs(axes, message):
    wrong = space(**axes)
    with pytest.raises(ValueError, match=one_line(message)):
        check_alone(wrong.points(), wrong.machine)


@pytest.mark.parametrize("value", [0, -8, "64", 1.5])
def test_a_width_that_no_machine_can_have_is_an_error_too(value):
    wrong = space(spmat_width_bits=[value])
    with pytest.raises(ValueError, match="axes: spmat_width_bits: "):
        check_alone(wrong.points(), wrong.machine)


def test_a_point_is_the_same_however_it_is_written():
    one = plan(space(clock_hz=800000000, n_pe=[4, 8]), None).keys
    assert plan(space(clock_hz=between(8e8, 8e8, step=1.0), n_pe=between(4, 8, factor=2)), None).keys == one
    assert plan(space(point=[{"n_pe": 4, "clock_hz": 8e8}, {"n_pe": 8}]), None).keys == one
    assert len({*one, *plan(space(clock_hz=800000001, n_pe=[4, 8]), None).keys}) == 4


def test_every_input_decides_what_point_it_is():
    changes = {
        **dict.fromkeys(("seed", "n_pe", "act_queue_depth", "spmat_width_bits", "act_frac_bits", "batch"), 5),
        **{"fit": "pe64", "order": "greedy", "workload": "NT-Wd", "baseline": "Titan X dense", "technology_nm": 28.0},
        **{"calibration": "bottom-up", "rounding": "truncate", "arithmetic": "fixed16", "clock_hz": 1e9},
    }
    found = [plan(space(**{name: value}), None).keys[0] for name, value in changes.items()]
    assert len({*found, plan(space(), None).keys[0]}) == len(changes) + 1


def test_values_that_only_do_not_fit_together_are_no_error():
    wide = space(spmat_width_bits=[8, 12], index_bits=[4, 8])
    check_alone(wide.points(), wide.machine)


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_file_says_what_python_says(tmp_path):
    found = from_text(
        tmp_path,
        """
        where = ["n_pe > 1"]
        [axes]
        workload = ["NT-We", "NT-Wd"]
        n_pe = { from = 1, to = 4, factor = 2 }
        seed = 3
        """,
        "mine.toml",
    )
    expected = space(["NT-We", "NT-Wd"], n_pe=between(1, 4, factor=2), seed=3, where=["n_pe > 1"])
    assert found.name == "mine"
    assert {**found.model_dump(), "name": "sweep"} == expected.model_dump()
    assert [found.points().row(at) for at in range(4)] == [expected.points().row(at) for at in range(4)]


def test_explicit_points_in_a_file(tmp_path):
    found = from_text(tmp_path, "name = 'x'\n[[point]]\nworkload = 'NT-We'\n[[point]]\nworkload = 'NT-Wd'\nn_pe = 4\n")
    assert (found.name, column(found.points(), "n_pe")) == ("x", [64, 4])


def test_the_machine_of_a_file_lies_beside_it(tmp_path, monkeypatch):
    (tmp_path / "machine.toml").write_text("n_pe = 16\nclock_hz = 1e9\n")
    wide = from_text(tmp_path, "arch = 'machine.toml'\naxes.workload = 'NT-We'")
    monkeypatch.chdir("/")
    assert (wide.folder, wide.machine) == (tmp_path, ArchConfig(name="machine", n_pe=16, clock_hz=1e9))
    assert wide.points().value("clock_hz", 0) == 1e9


def test_a_missing_machine_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"machine\.toml"):
        from_text(tmp_path, "arch = 'machine.toml'\naxes.workload = 'NT-We'").points()


@pytest.mark.parametrize("text", ["axes = [", "axes: 3", "a = 1\na = 2", "\xff"])
def test_what_is_no_toml_is_named(tmp_path, text):
    (tmp_path / "a.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.toml: not a TOML file: ") as caught:
        Space.from_toml(tmp_path / "a.toml")
    assert "\n" not in str(caught.value)


def test_an_error_in_a_file_names_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"a\.toml: axes: unknown 'n_pes'; there are "):
        from_text(tmp_path, "[axes]\nworkload = 'NT-We'\nn_pes = 3\n")
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        Space.from_toml(tmp_path / "none.toml")


def test_the_file_of_a_baseline_lies_beside_the_space(tmp_path, monkeypatch):
    from eie_sim.baselines.devices import device, write_device

    (tmp_path / "there").mkdir()
    write_device(tmp_path / "there" / "mine.toml", device("Titan X"))
    monkeypatch.chdir(tmp_path)
    wide = from_text(tmp_path / "there", "[axes]\nworkload = 'NT-We'\nbaseline = 'mine.toml dense'\n")
    assert plan(wide, None).distinct == 1


# Points ---------------------------------------------------------------------------------------------------------------


@some
@given(
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    names=st.lists(st.sampled_from(["n_pe", "seed", "order", "clock_hz"]), unique=True),
    drop=st.integers(0, 5),
)
def test_groups_tell_points_apart_by_the_columns_asked_for(sizes, names, drop):
    points = space(
        n_pe=between(1, sizes[0]), seed=between(0, sizes[1] - 1), clock_hz=between(1e8, sizes[2] * 1e8, step=1e8)
    ).points()
    points = points.kept(np.arange(len(points)) >= min(drop, len(points) - 1))
    which, first = points.groups(names)
    keys = [tuple(points.value(name, at) for name in names) for at in range(len(points))]
    assert len(first) == len(set(keys))
    assert [keys[first[one]] for one in which] == keys
    assert all(keys.index(keys[at]) == at for at in first)  # the first of them


def test_no_points_have_no_groups():
    none = space(n_pe=[1, 2]).points().kept(np.zeros(2, bool))
    assert [len(one) for one in none.groups(["n_pe"])] == [0, 0]
    assert [len(one) for one in none.groups(["seed"])] == [0, 0]


def test_points_kept_are_the_points_they_were():
    points = space(n_pe=[1, 2, 4], seed=[0, 1]).points()
    kept = points.kept(np.array([False, True, False, False, True, True]))
    assert [kept.row(at) for at in range(3)] == [points.row(at) for at in (1, 4, 5)]


def test_all_stands_for_the_nine_layers_in_an_explicit_point_too():
    listed = Space(point=[{"workload": "all", "n_pe": 4}, {"workload": "NT-We", "n_pe": 8}]).points()
    pairs = list(zip(column(listed, "workload"), column(listed, "n_pe"), strict=True))
    assert pairs == [*((name, 4) for name in published_layers()), ("NT-We", 8)]


def test_a_machine_that_refuses_what_does_not_fit_is_refused_here_for_rows_tell(tmp_path):
    (tmp_path / "m.toml").write_text("strict_capacity = true\n")
    found = from_text(tmp_path, 'arch = "m.toml"\n[axes]\nworkload = "NT-We"\n')
    with pytest.raises(ValueError, match=one_line("strict_capacity = true, but a sweep tells in fits_sram")):
        found.points()
