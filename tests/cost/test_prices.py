"""A table of prices is whole, or it is refused."""

import math
from dataclasses import replace

import pytest

from eie_sim.cost import CALIBRATIONS, CostTable, Price, calibration
from eie_sim.cost.prices import UNITS
from eie_sim.result import Counts

TABLE = calibration()


@pytest.mark.parametrize("event", Counts.EVENTS)
def test_a_table_that_misses_an_event_is_refused(event):
    with pytest.raises(ValueError, match=f"prices: '{event}' has 0 prices, but every event must have one"):
        replace(TABLE, prices=tuple(price for price in TABLE.prices if price.event != event))


@pytest.mark.parametrize("event", Counts.EVENTS)
def test_a_table_that_prices_an_event_twice_is_refused(event):
    with pytest.raises(ValueError, match=f"prices: '{event}' has 2 prices, but every event must have one"):
        replace(TABLE, prices=(*TABLE.prices, Price(event, "arithmetic", 1.0, "a second one")))


def test_what_is_no_event_has_no_price():
    with pytest.raises(ValueError, match="prices: 'starved_cycles', but the events are broadcasts, "):
        replace(TABLE, prices=(*TABLE.prices, Price("starved_cycles", "arithmetic", 1.0, "")))


@pytest.mark.parametrize("change", ["prices", "clock_pj", "leak_mw"])
def test_an_unknown_unit_is_refused(change):
    value = (*TABLE.prices[1:], replace(TABLE.prices[0], unit="dma")) if change == "prices" else {"dma": 1.0}
    with pytest.raises(ValueError, match="unit: 'dma', but it must be one of act_queue, ptr_read, "):
        replace(TABLE, **{change: value})


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("change", ["prices", "clock_pj", "leak_mw", "lnzd_pj"])
def test_an_energy_is_finite_and_not_negative(change, value):
    values = {
        "prices": (*TABLE.prices[1:], replace(TABLE.prices[0], pj=value)),
        "clock_pj": {"act_rw": value},
        "leak_mw": {"act_rw": value},
        "lnzd_pj": value,
    }
    with pytest.raises(ValueError, match="but it must be finite and not negative"):
        replace(TABLE, **{change: values[change]})


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_every_calibration_prices_every_unit_and_says_what_it_assumes(name):
    table = calibration(name)
    assert table.name == name
    assert {price.unit for price in table.prices} == set(UNITS)
    assert all(price.source for price in table.prices)
    assert table.assumptions


def test_what_a_table_holds_cannot_be_changed():
    with pytest.raises(TypeError):
        TABLE.clock_pj["act_rw"] = 0.0


def test_a_table_of_ones_own_is_a_table():
    prices = tuple(Price(event, "arithmetic", 1.0, "mine") for event in Counts.EVENTS)
    assert CostTable("mine", prices).leak_mw == {}
