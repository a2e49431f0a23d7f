"""What engines keep of a layer: found by identity, made once, and gone with the layer."""

import gc
import threading
from copy import copy, deepcopy

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.engines import base, fast, prepared
from eie_sim.engines.layer_cache import LayerCache
from eie_sim.result import differences

BOOK = np.linspace(0, 1, 16, dtype=np.float32)
CACHES = (prepared._PREPARED, fast._PLANS, base._CHECKED)


def a_layer():
    return pack_codes(np.ones((64, 64), np.uint8), BOOK)


def test_the_prepared_form_is_made_once_also_by_many_threads():
    layer, found = a_layer(), []
    threads = [threading.Thread(target=lambda: found.append(prepared.prepared(layer))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1


def test_a_layer_holds_nothing_of_an_engine():
    layer = a_layer()
    before = set(vars(layer))
    simulate(layer, np.ones(64))
    assert set(vars(layer)) - before <= {"packing", "has_bias", "largest_needs", "entries_of_fullest_pe"}


def test_nothing_is_kept_of_layers_that_are_gone():
    gc.collect()
    before = [len(cache) for cache in CACHES]
    for _ in range(5):
        simulate(a_layer(), np.ones(64))
    gc.collect()
    assert [len(cache) for cache in CACHES] == before


def test_equal_layers_are_kept_apart():
    one, other, cache = a_layer(), a_layer(), LayerCache()
    cache.keep(one, "one")
    assert one == other
    assert (cache.get(one), cache.get(other)) == ("one", None)


def test_what_is_kept_last_counts_and_the_first_reference_takes_nothing_away():
    layer, cache = a_layer(), LayerCache()
    cache.keep(layer, "first")
    cache.keep(layer, "second")
    gc.collect()
    assert cache.get(layer) == "second"


def test_an_object_at_the_address_of_a_dead_layer_finds_nothing():
    cache, addresses = LayerCache(), set()
    for number in range(200):
        layer = a_layer()
        assert cache.get(layer) is None
        cache.keep(layer, number)
        addresses.add(id(layer))
        del layer
    assert len(cache) == 0
    assert len(addresses) < 200  # some address was used again, or this test shows nothing


def test_copies_begin_with_nothing_and_run_alike():
    layer = a_layer()
    result = simulate(layer, np.ones(64), schedule=True)
    for other in (copy(layer), deepcopy(layer)):
        assert fast._PLANS.get(other) is None
        assert differences(simulate(other, np.ones(64), schedule=True), result) == []


@pytest.mark.compiled_only
def test_threads_on_two_machines_and_one_layer_do_not_mix_their_plans():
    layer = a_layer()
    machines = [ArchConfig(act_queue_depth=depth) for depth in (1, 2, 8, 64)]
    expected = [simulate(a_layer(), np.ones(64), arch).cycles for arch in machines]
    wrong = []

    def run(at):
        cycles = [simulate(layer, np.ones(64), machines[at], output=False).cycles for _ in range(200)]
        wrong.extend(found for found in cycles if found != expected[at])

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(machines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
