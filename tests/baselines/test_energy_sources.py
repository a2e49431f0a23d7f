"""Energy has a named source or there is none; counters of a made-up powercap folder, which run over."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim.baselines.energy_sources import EnergySource, Rapl, energy_source, paper_power, rapl_energy, tdp_power
from eie_sim.paper import TABLE_V

RANGE_UJ = 262_143_328_850


def zone(powercap, name, called, energy_uj=0, range_uj=RANGE_UJ):
    """A counter as Linux shows it."""
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{called}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder


@pytest.fixture
def powercap(tmp_path):
    """Two packages, the cores inside one of them, and the whole system, which has all of it once more."""
    zone(tmp_path, "intel-rapl:0", "package-0", 1000)
    zone(tmp_path, "intel-rapl:0:0", "core", 500)
    zone(tmp_path, "intel-rapl:1", "package-1", RANGE_UJ - 10)
    zone(tmp_path, "intel-rapl:2", "psys", 7)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_the_packages_are_added_up_and_nothing_is_counted_twice(powercap):
    rapl = Rapl(powercap)
    before = rapl.read_uj()
    assert before == [1000, RANGE_UJ - 10]
    zone(powercap, "intel-rapl:0", "package-0", 1600)
    zone(powercap, "intel-rapl:0:0", "core", 900)
    zone(powercap, "intel-rapl:1", "package-1", RANGE_UJ - 4)
    zone(powercap, "intel-rapl:2", "psys", 10**6)
    assert rapl.since_uj(before) == 600 + 6


def test_a_counter_that_ran_over_goes_on_from_zero(powercap):
    rapl = Rapl(powercap)
    before = rapl.read_uj()
    zone(powercap, "intel-rapl:1", "package-1", 90)
    assert rapl.since_uj(before) == 0 + 100


@given(st.integers(0, RANGE_UJ - 1), st.integers(0, RANGE_UJ - 1))
def test_energy_is_found_wherever_the_counter_stood(tmp_path_factory, start, used):
    folder = tmp_path_factory.mktemp("powercap")
    zone(folder, "intel-rapl:0", "package-0", start)
    rapl = Rapl(folder)
    before = rapl.read_uj()
    zone(folder, "intel-rapl:0", "package-0", (start + used) % RANGE_UJ)
    assert rapl.since_uj(before) == used


@pytest.mark.parametrize("kept", [[], ["intel-rapl:0:0"], ["intel-rapl:2"]])
def test_without_a_counter_of_a_package_the_error_names_the_alternatives(tmp_path, kept):
    for name in kept:
        zone(tmp_path, name, "psys")
    with pytest.raises(ValueError, match=r"energy: rapl, but .* has no counter .*; paper and tdp are the alternatives"):
        Rapl(tmp_path)


def test_a_counter_without_a_name_is_no_package(tmp_path):
    (zone(tmp_path, "intel-rapl:0", "package-0") / "name").unlink()
    with pytest.raises(ValueError, match="no counter"):
        Rapl(tmp_path)


def test_a_folder_that_is_not_there_has_no_counter(tmp_path):
    with pytest.raises(ValueError, match="no counter"):
        energy_source("rapl", powercap=tmp_path / "absent")


def test_a_counter_that_is_no_number_is_named(powercap):
    (powercap / "intel-rapl:0" / "energy_uj").write_text("many\n")
    with pytest.raises(ValueError, match=r"intel-rapl:0.energy_uj: 'many', but an energy counter is a whole number"):
        Rapl(powercap)


def test_a_counter_that_only_root_may_read_is_a_permission_error(powercap, monkeypatch):
    from pathlib import Path

    read = Path.read_text

    def refused(file, *arguments, **more):
        if file.name == "energy_uj":
            raise PermissionError(13, os.strerror(13), str(file))
        return read(file, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(PermissionError, match="energy_uj"):
        energy_source("rapl", powercap=powercap)


def test_counters_have_no_constant_power(powercap):
    source = energy_source("rapl", powercap=powercap)
    assert source == rapl_energy(powercap)
    assert (source.source, source.power_w, source.energy_uj(5.0)) == ("rapl", None, None)
    assert "2 processor packages" in source.note


def test_the_power_of_the_paper_is_that_of_table_v_and_says_so():
    source = energy_source("paper")
    assert source.power_w == TABLE_V.at("power_w", "i7-5930K") == 73
    assert source.energy_uj(10.0) == 730
    assert "not of this host" in source.note


@pytest.mark.parametrize("device", ["Titan X", "Tegra K1", "EIE 64 PEs"])
def test_every_device_of_table_v_has_its_power(device):
    assert paper_power(device).power_w == TABLE_V.at("power_w", device)


def test_an_unknown_device_is_an_error():
    with pytest.raises(ValueError, match="no column 'Titan Y'"):
        paper_power("Titan Y")


def test_a_power_of_the_user_is_labelled_as_that():
    source = energy_source("tdp", 65)
    assert (source.source, source.power_w) == ("tdp", 65)
    assert "user gave" in source.note


@pytest.mark.parametrize("watts", [0, -1, 1e7, float("nan"), float("inf"), True])
def test_a_power_that_cannot_be_is_an_error(watts):
    with pytest.raises(ValueError, match="tdp_watts"):
        tdp_power(watts)


def test_nothing_is_guessed():
    assert energy_source(None) is None


@pytest.mark.parametrize(
    ("name", "watts", "message"),
    [
        ("guess", None, "energy: 'guess', but it must be one of rapl, paper, tdp"),
        ("tdp", None, "energy: 'tdp' needs tdp_watts"),
        ("paper", 65, "energy: 'paper' takes no tdp_watts"),
        (None, 65, "energy: None takes no tdp_watts"),
    ],
)
def test_options_that_do_not_go_together_are_an_error(name, watts, message):
    with pytest.raises(ValueError, match=message):
        energy_source(name, watts)


@pytest.mark.parametrize(("source", "power_w"), [("rapl", 5.0), ("paper", None), ("tdp", None)])
def test_a_source_has_a_constant_power_or_measures(source, power_w):
    with pytest.raises(ValueError, match="power_w"):
        EnergySource(source=source, power_w=power_w, note="")
