"""Configurations of SCALE-Sim as machines: what is taken over, what is named, what is refused."""

import pytest

from eie_sim import load
from eie_sim.sources.scalesim_config import read_scalesim_config

CONFIG = """[general]
run_name = my_run

[architecture_presets]
ArrayHeight:    16
ArrayWidth:     8        # columns
IfmapSramSzkB:    64
Dataflow : ws

[run_presets]
InterfaceBandwidth: CALC
"""


@pytest.fixture
def config(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "scale.cfg"
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize("change", [str, str.lower, lambda text: "\ufeff" + text.replace("\n", "\r\n")])
def test_the_array_is_the_number_of_pes(config, change):
    machine, _ = read_scalesim_config(config(change(CONFIG)))
    assert (machine.name, machine.n_pe, machine.clock_hz) == ("scale", 128, 8e8)


def test_every_field_is_named_once(config):
    _, notes = read_scalesim_config(config(CONFIG))
    assert notes == (
        "scale.cfg: a configuration of SCALE-Sim; taken over: n_pe = ArrayHeight x ArrayWidth = 16 x 8 = 128; all else "
        "as in eie-64pe-45nm",
        "scale.cfg: without a counterpart in EIE, not taken over: IfmapSramSzkB, Dataflow, InterfaceBandwidth",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_pe = 4", "is not a configuration of SCALE-Sim: no sections"),
        ("[a]\nb = 1\n", r"no section \[architecture_presets\]"),
        (CONFIG.replace("ArrayWidth", "Width"), "ArrayWidth: '', but it must be a whole number"),
        (CONFIG.replace("16", "0"), "ArrayHeight: '0', but it must be a whole number"),
        (CONFIG.replace("16", "x"), "ArrayHeight: 'x', but it must be a whole number"),
        (CONFIG.replace("16", "9" * 5000), "ArrayHeight: '9.*', but it must be a whole number"),
    ],
)
def test_what_is_no_such_configuration_is_refused_in_one_line(config, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_scalesim_config(config(text))
    assert "\n" not in str(caught.value)


def test_it_is_no_network(config):
    with pytest.raises(ValueError, match=r"is a configuration of SCALE-Sim, not a network; --arch scale\.cfg takes"):
        load(config(CONFIG))
