"""The data of a timeline is that of the views, and every span of it lies where the schedule says."""

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.report import plots
from eie_sim.report.figures.timeline import timeline
from eie_sim.views import BUBBLE, ENTRY, FILLER, PUSH, STALL, pe_states, waiting
from tests.strategies import crowded


@pytest.fixture(scope="module", params=[3, 5, 11])
def ran(request):
    case = crowded(request.param)
    return case.layer, simulate(case.layer, case.acts, case.arch, schedule=True)


def test_a_service_spans_the_cycles_in_which_its_pe_issues_or_finds_nothing(ran):
    layer, result = ran
    data = timeline(result, layer)
    for k, spans in enumerate(data.services):
        served = np.zeros(result.cycles, bool)
        for span in spans:
            assert not served[span.cycle - 1 : span.end - 1].any()
            served[span.cycle - 1 : span.end - 1] = True
        assert np.array_equal(served, np.isin(data.states[k], (ENTRY, FILLER, BUBBLE)))


def test_a_push_stands_in_the_cycle_in_which_the_broadcast_found_it(ran):
    layer, result = ran
    data = timeline(result, layer)
    assert [span.cycle for span in data.pushes] == (1 + np.flatnonzero(data.broadcast == PUSH)).tolist()
    assert all(span.end == span.cycle + 1 for span in data.pushes)


def test_the_title_tells_cycles_and_stalls(ran):
    layer, result = ran
    stalls = result.counts.broadcast_stalls
    assert timeline(result, layer).finding == (
        f"{layer.name}: {result.cycles} cycles, in {stalls} of which a full queue holds the broadcast up"
    )


def test_a_window_of_some_pes_is_named_as_one(ran):
    layer, result = ran
    data = timeline(result, layer, (5, 12), [0])
    assert (data.first_cycle, data.end, data.pes) == (5, 12, (0,))
    assert np.array_equal(data.states, pe_states(result.schedule, layer, (5, 12), [0]))
    assert np.array_equal(data.waiting, waiting(result.schedule, (5, 12), [0]))
    assert int((data.broadcast == STALL).sum()) <= result.counts.broadcast_stalls
    assert data.finding.startswith(f"{layer.name}: cycles 5 to 11 of {result.cycles}, in ")
    assert all(span.end > 5 and span.cycle < 12 for span in data.services[0])


def test_the_bias_is_called_so():
    layer = pack_codes([[1, 1, 1], [1, 0, 1]], [0, 1], n_pe=2, bias_codes=[1, 1], name="biased")
    result = simulate(layer, [1, 0, 1], ArchConfig(n_pe=2, weight_bits=1), schedule=True)
    assert [span.label for span in timeline(result, layer).pushes] == ["0", "2", "bias"]


def test_more_than_can_be_told_apart_is_refused():
    layer = pack_codes(np.ones((64, 70), np.uint8), [0, 1], n_pe=64)
    result = simulate(layer, np.ones(70), ArchConfig(weight_bits=1), schedule=True)
    with pytest.raises(ValueError, match=r"\Atimeline: 64 PEs in \d+ cycles, but at most 4096 can be told apart"):
        timeline(result, layer)


def test_a_result_without_a_schedule_is_refused():
    layer = pack_codes([[1]], [0, 1], n_pe=1, name="bare")
    with pytest.raises(ValueError, match="the result of 'bare' has none"):
        timeline(simulate(layer, [1], ArchConfig(n_pe=1, weight_bits=1)), layer)


def test_the_drawing_has_a_lane_for_the_broadcast_and_each_pe_and_a_cell_for_each_cycle(ran):
    layer, result = ran
    data = timeline(result, layer, (1, min(result.cycles + 1, 40)))
    (axes,) = plots.timeline(data).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["broadcast", *(f"PE {k}" for k in range(layer.n_pe))]
    assert axes.get_xlabel() == "cycle"
    cells = [patch for patch in axes.patches if patch.get_fill()]
    assert len(cells) == (layer.n_pe + 1) * len(data.broadcast)


def test_the_same_timeline_gives_the_same_bytes(ran):
    layer, result = ran
    data = timeline(result, layer, (1, 12))
    assert plots.as_png(plots.timeline(data)) == plots.as_png(plots.timeline(data))
