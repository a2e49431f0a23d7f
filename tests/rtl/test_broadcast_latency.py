"""The registers between the leading-non-zero unit and the queues, in hardware: the same cycles as in the simulator."""

import shutil

import pytest

from eie_sim import simulate
from eie_sim.result import differences
from eie_sim.rtl import build, engine
from eie_sim.rtl.model import model
from tests.extras import needs_verilator
from tests.rtl.machines import LATE, MORE_LATE, sampled

needs_verilator()


def disagreement(settings, seed):
    """Names of the fields that differ, and the counts; RuntimeError where a queue overflows."""
    case = sampled(settings, seed)
    hardware = simulate(case.layer, case.acts, case.arch, "rtl", schedule=True)
    return differences(hardware, simulate(case.layer, case.acts, case.arch, schedule=True)), hardware.counts


def assert_every_layer_agrees(settings, seeds):
    found = {seed: disagreement(settings, seed) for seed in seeds}
    assert {seed: names for seed, (names, _) in found.items() if names} == {}
    assert any(counts.broadcast_stalls for _, counts in found.values())
    archs = [sampled(settings, seed).arch for seed in seeds]
    assert {arch.preloads_bias for arch in archs} == {False, True}


def named(settings):
    return "{n_pe} PEs, D={act_queue_depth}, B={broadcast_latency}".format(**settings)


@pytest.mark.parametrize("settings", LATE, ids=named)
def test_sampled_layers_agree_in_every_field_and_no_queue_overflows(settings):
    assert_every_layer_agrees(settings, range(30))


@pytest.mark.slow
@pytest.mark.parametrize("settings", MORE_LATE, ids=named)
def test_sampled_layers_of_more_machines_agree(settings):
    assert_every_layer_agrees(settings, range(30, 60))


TOO_MANY = "one credit too many"
OVERFLOW = "a queue of the RTL overflowed"

FAULTS = {
    "a credit given back a cycle early": (
        "ccu", "DEPTH > 1 ? BROADCAST_LATENCY : BROADCAST_LATENCY - 1", "BROADCAST_LATENCY - 1",
    ),
    "a register too few": ("ccu", "BROADCAST_LATENCY > 0 ? BROADCAST_LATENCY : 1;", "BROADCAST_LATENCY - 1;"),
    "an end that forgets what is in flight": ("ccu", " && !in_flight", ""),
    TOO_MANY: ("ccu", "CREDITS = DEPTH > 1 ? DEPTH - 1 : 1", "CREDITS = DEPTH"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_registers_or_the_credits_is_found(name, tmp_path, monkeypatch):
    unit, right, wrong = FAULTS[name]
    sources = tmp_path / "rtl"
    shutil.copytree(build.SOURCES, sources, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    path = sources / f"{unit}.sv"
    text = path.read_text()
    assert text.count(right) == 1, f"{unit}.sv: {right!r} is not there once"
    path.write_text(text.replace(right, wrong))
    monkeypatch.setattr(engine, "model", lambda parameters: model(parameters, sources))
    found = []
    for seed in range(30):
        try:
            found += disagreement(LATE[1], seed)[0]
        except RuntimeError as error:
            found.append(str(error))
        if OVERFLOW in found if name == TOO_MANY else found:
            return
    pytest.fail(f"not found on 30 layers, but {sorted(set(found))}")
