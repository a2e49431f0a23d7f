"""`Device`: the built-in ones, what a TOML file may say, and in which words it is refused."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim.baselines.devices import FILES, Device, Efficiency, Sources, device, devices, read_device, write_device
from eie_sim.baselines.roofline import dense_time_us, sparse_time_us
from eie_sim.paper import TABLE_V

MINE = """
name = "My card"
kind = "GPU"
peak_flops_per_s = 10e12
bandwidth_bytes_per_s = 500e9
launch_us = 4.0
power_w = 200.0

[sources]
peak_flops_per_s = "data sheet"
bandwidth_bytes_per_s = "data sheet"
launch_us = "measured"
power_w = "data sheet"

[[efficiencies]]
kind = "dense"
batch = 1
efficiency = 0.5
source = "guess"
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(function, *parts):
    """The error of a call: a ValueError of one line that has all of `parts` in it."""
    with pytest.raises(ValueError) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


# The built-in ones ----------------------------------------------------------------------------------------------------


def test_the_devices_are_the_three_processors_of_table_v():
    assert tuple(devices()) == TABLE_V.columns[:3]
    assert [one.kind for one in devices().values()] == ["CPU", "GPU", "mobile GPU"]


@pytest.mark.parametrize("name", devices())
def test_a_device_has_the_power_of_table_v_and_its_own_file_does_not_repeat_it(name):
    assert device(name).power_w == TABLE_V.at("power_w", name)
    file = FILES[list(devices()).index(name)]
    assert "power_w" not in tomllib.loads(files("eie_sim.baselines").joinpath(f"{file}.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "flops_per_cycle"), [("i7-5930K", 6 * 2 * 2 * 8), ("Titan X", 3072 * 2), ("Tegra K1", 192 * 2)]
)
def test_the_peak_is_cores_times_clock_times_operations_of_a_cycle(name, flops_per_cycle):
    assert device(name).peak_flops_per_s == pytest.approx(flops_per_cycle * TABLE_V.at("clock_mhz", name) * 1e6)


def test_the_bandwidths_are_channels_times_rate():
    assert device("i7-5930K").bandwidth_bytes_per_s == pytest.approx(4 * 8 * 2133e6, rel=0.005)
    assert device("Tegra K1").bandwidth_bytes_per_s == pytest.approx(8 * 1866e6, rel=0.005)


@pytest.mark.parametrize("name", devices())
def test_every_number_of_a_device_has_a_source(name):
    sources = device(name).sources
    assert all(getattr(sources, field) for field in Sources.model_fields)
    assert all(model.source for model in device(name).efficiencies)


def test_an_unknown_device_is_refused_with_the_known_ones():
    refused(lambda: device("Titan Y"), "Titan Y", *devices())


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_device_of_ones_own_is_a_file(tmp_path):
    mine = read_device(written(tmp_path, MINE))
    # 500 x 400 weights, 900 inputs and outputs of 4 bytes, at half of 500 GB/s, after the launch.
    assert dense_time_us(mine, 500, 400) == pytest.approx(4 + (200_000 + 900) * 4 / 250e9 * 1e6)


def test_what_its_file_gives_no_efficiency_for_is_refused_with_what_there_is(tmp_path):
    mine = read_device(written(tmp_path, MINE))
    refused(lambda: dense_time_us(mine, 500, 400, batch=64), "My card", "dense batch 64", "dense batch 1")
    refused(lambda: sparse_time_us(mine, 500, 400, 0.1), "My card", "sparse batch 1", "dense batch 1")


def test_the_file_in_the_documentation_is_one_that_can_be_read(tmp_path):
    from eie_sim.baselines import devices as module

    text = module.__doc__.split("beside this module:\n")[1].replace("\n    ", "\n")
    assert read_device(written(tmp_path, text)).name == "My card"


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("launch_us = 4.0", "launch_us = 4.0\nlaunch_ms = 1.0", ["launch_ms", "unknown field", "launch_us"]),
        ("launch_us = 4.0", "", ["launch_us", "missing", "microseconds"]),
        ("bandwidth_bytes_per_s = 500e9", "bandwidth_bytes_per_s = 500.0", ["bandwidth_bytes_per_s", 500.0, 1000000]),
        ("bandwidth_bytes_per_s = 500e9", 'bandwidth_bytes_per_s = "500 GB/s"', ["bandwidth_bytes_per_s", "500 GB/s"]),
        ("peak_flops_per_s = 10e12", "peak_flops_per_s = nan", ["peak_flops_per_s", "nan"]),
        ("peak_flops_per_s = 10e12", "peak_flops_per_s = inf", ["peak_flops_per_s", "inf"]),
        ("launch_us = 4.0", "launch_us = -1.0", ["launch_us", -1.0, "0"]),
        ("launch_us = 4.0", "launch_us = true", ["launch_us", True]),
        ("power_w = 200.0", "power_w = 0.0", ["power_w", 0.0, "greater than 0"]),
        ("power_w = 200.0", 'power_w = 200.0\npublished_as = "A-Eye"', ["published_as", "A-Eye", "Titan X"]),
        ("power_w = 200.0", "power_w = 200.0\ncache_bytes = 1000", ["sources.cache_bytes", "missing"]),
        ("power_w = 200.0", "power_w = 200.0\ncache_bytes = -1", ["cache_bytes", -1, 0]),
        ("power_w = 200.0", "", ["power_w", "missing"]),
        ('power_w = "data sheet"', "", ["sources.power_w", "missing"]),
        ('power_w = "data sheet"', 'power_w = ""', ["sources.power_w", "1 character"]),
        ("[[efficiencies]]", 'clock = "x"\n[[efficiencies]]', ["sources.clock", "unknown field"]),
        ("efficiency = 0.5", "efficiency = 1.5", ["efficiencies.0.efficiency", 1.5, 1]),
        ("efficiency = 0.5", "efficiency = 50", ["efficiencies.0.efficiency", 50, 1]),
        ("efficiency = 0.5", "efficiency = 0.5\ncache_gain = 0.5", ["efficiencies.0.cache_gain", 0.5, 1]),
        ("batch = 1", "batch = 0", ["efficiencies.0.batch", 0, 1]),
        ("batch = 1", "batch = 1.5", ["efficiencies.0.batch", 1.5]),
        ('kind = "dense"', 'kind = "banded"', ["efficiencies.0.kind", "banded", "dense", "sparse"]),
        ('source = "guess"', "", ["efficiencies.0.source", "missing"]),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_the_field_and_the_limit(tmp_path, old, new, parts):
    assert MINE.count(old) == 1
    path = written(tmp_path, MINE.replace(old, new))
    refused(lambda: read_device(path), path, *parts)


def test_two_efficiencies_for_one_thing_are_refused(tmp_path):
    path = written(tmp_path, MINE + "[[efficiencies]]" + MINE.split("[[efficiencies]]")[1])
    refused(lambda: read_device(path), path, "dense batch 1", "once")


@pytest.mark.parametrize("text", ["name = ", "\x00", "name = 1\nname = 2"])
def test_what_is_no_toml_is_refused_with_the_name_of_the_file(tmp_path, text):
    path = written(tmp_path, text)
    refused(lambda: read_device(path), path, "not a TOML file")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    refused(lambda: read_device(path), path, "not a TOML file")


def test_a_file_that_is_not_there_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        read_device(tmp_path / "none.toml")


# Round trip -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", devices())
def test_a_built_in_device_is_the_same_after_writing_and_reading(tmp_path, name):
    write_device(tmp_path / "copy.toml", device(name))
    assert read_device(tmp_path / "copy.toml") == device(name)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
rates = st.floats(1e6, 1e18)
models = st.builds(
    Efficiency,
    kind=st.sampled_from(["dense", "sparse"]),
    batch=st.integers(1, 10**6),
    efficiency=st.floats(0, 1, exclude_min=True),
    cache_gain=st.floats(1, 1000),
    source=texts,
)
any_device = st.builds(
    Device,
    name=texts,
    kind=texts,
    peak_flops_per_s=rates,
    bandwidth_bytes_per_s=rates,
    cache_bytes=st.integers(0, 2**40),
    launch_us=st.floats(0, 1e6),
    power_w=st.floats(0, 1e6, exclude_min=True),
    sources=st.builds(
        Sources, peak_flops_per_s=texts, bandwidth_bytes_per_s=texts, launch_us=texts, power_w=texts, cache_bytes=texts
    ),
    efficiencies=st.lists(models, max_size=3, unique_by=lambda model: (model.kind, model.batch)).map(tuple),
)


@given(one=any_device)
def test_any_device_is_the_same_after_writing_and_reading(tmp_path_factory, one):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    write_device(path, one)
    assert read_device(path) == one


# The record -----------------------------------------------------------------------------------------------------------


def test_a_device_cannot_be_changed_and_replace_checks():
    one = device("Titan X")
    with pytest.raises(ValueError, match="frozen"):
        one.launch_us = 3.0
    assert one.replace(launch_us=3.0).launch_us == 3
    assert one.model_copy(update={"launch_us": 3.0}) == one.replace(launch_us=3.0)
    refused(lambda: one.replace(launch_us=-3.0), "launch_us", -3.0)
    refused(lambda: one.replace(lunch_us=3.0), "lunch_us", "unknown field", "launch_us")
    refused(lambda: one.model_copy(update={"power_w": -1.0}), "power_w", -1.0)


@pytest.mark.parametrize("record", [Device, Efficiency, Sources])
def test_every_field_says_what_it_is(record):
    assert all(field.description for field in record.model_fields.values())
