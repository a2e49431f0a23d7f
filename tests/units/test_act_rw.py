"""The register files alone."""

from eie_sim.machine.act_rw import ActRW, Write


def test_registers_begin_with_zero():
    unit = ActRW([], 2, 0)
    assert (unit.read(0), unit.read(1)) == (0, 0)


def test_a_write_comes_to_the_port_at_the_edge_and_to_its_register_one_edge_later():
    unit = ActRW([], 2, 0)
    unit.write(1, 7)
    assert not unit.active
    unit.commit()
    assert unit.write_port == Write(1, 7)
    assert unit.destination == [0, 0]
    unit.commit()
    assert unit.destination == [0, 7]
    assert not unit.active


def test_a_read_sees_the_write_of_its_own_cycle():
    unit = ActRW([], 2, 0)
    unit.write(1, 7)
    assert unit.read(1) == 0
    unit.commit()
    assert unit.read(1) == 7
    assert unit.read(0) == 0


def test_a_write_a_cycle_goes_through():
    unit = ActRW([], 2, 0)
    for row, value in ((0, 5), (1, 6), (0, 7)):
        unit.write(row, value)
        unit.commit()
    unit.commit()
    assert unit.destination == [7, 6]
    assert unit.acc_writes == 3


def test_a_read_is_counted_at_the_edge():
    unit = ActRW([], 1, 0)
    unit.read(0)
    assert unit.acc_reads == 0
    unit.commit()
    unit.commit()
    assert unit.acc_reads == 1


def test_preloaded_registers_start_at_their_values_and_count_as_bias_writes_alone():
    unit = ActRW([], 2, 0)
    unit.preload([3, 4])
    assert (unit.read(0), unit.read(1)) == (3, 4)
    assert (unit.bias_writes, unit.acc_writes, unit.active) == (2, 0, False)
