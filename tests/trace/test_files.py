"""Trace files: the same run, the same bytes; whole or not there at all; damaged ones refused in one line."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.trace import read_perfetto, write_perfetto
from tests.trace.trace_events import read


@pytest.fixture
def ran():
    layer = pack_codes(np.tri(40, 30, dtype=np.uint8), [0, 1], n_pe=4, name="tri")
    arch = ArchConfig(n_pe=4, weight_bits=1, act_queue_depth=3, name="a 'small' <machine>")
    return simulate(layer, np.ones(30), arch, schedule=True).schedule, layer, arch


@pytest.fixture
def trace(ran, tmp_path):
    path = tmp_path / "trace.json"
    write_perfetto(path, *ran)
    return path


def test_the_same_run_gives_the_same_bytes_whatever_the_file_is_called(ran, tmp_path):
    first, second = tmp_path / "a.json.gz", tmp_path / "another.JSON.GZ"
    for path in (first, second):
        write_perfetto(path, *ran)
    assert first.read_bytes() == second.read_bytes()
    flags_and_time = first.read_bytes()[3:8]
    assert flags_and_time == bytes(5)  # no name, no date


def test_gzip_holds_the_bytes_of_the_plain_file(ran, trace, tmp_path):
    write_perfetto(tmp_path / "trace.json.gz", *ran)
    assert gzip.decompress((tmp_path / "trace.json.gz").read_bytes()) == trace.read_bytes()


def test_the_trace_says_what_was_simulated(ran, trace):
    schedule, layer, arch = ran
    about = read(trace)["otherData"]
    assert (about["layer"], about["machine"], about["clock_hz"]) == (layer.name, arch.name, arch.clock_hz)
    assert (about["cycles"], about["window"]) == (schedule.cycles, [1, schedule.cycles + 1])
    assert (about["n_pe"], about["pes"]) == (4, [0, 1, 2, 3])
    assert "1 us is 1 clock cycle" in about["time"]
    assert "/" not in json.dumps({name: about[name] for name in about if name != "parameters"})


def test_every_event_is_a_line_whatever_the_layer_is_called(ran, tmp_path, monkeypatch):
    schedule, layer, arch = ran
    odd = replace(layer, name='},{"ph" "\n')
    monkeypatch.setattr("eie_sim.trace.perfetto._TOGETHER", 7)
    write_perfetto(tmp_path / "odd.json", schedule, odd, arch)
    document = read(tmp_path / "odd.json")
    assert document["otherData"]["layer"] == odd.name
    lines = (tmp_path / "odd.json").read_text(encoding="utf-8").splitlines()[1:-1]
    assert [json.loads(line.rstrip(",")) for line in lines] == document["traceEvents"]


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(ran, tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("eie_sim.trace.perfetto_events._at_work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_perfetto(path, *ran)
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(ran, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.trace\.json"):
        write_perfetto(tmp_path / "absent" / "trace.json", *ran)


# Damaged files --------------------------------------------------------------------------------------------------------


def refused(path):
    with pytest.raises(ValueError) as raised:
        read_perfetto(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON"),
        (b"[]", "no trace of eie-sim"),
        (b"{}", "no trace of eie-sim"),
        (b'{"otherData": 3}', "no trace of eie-sim"),
        (b'{"otherData": {"format": "another"}}', "must have format 'eie-sim-trace'"),
        (b'{"otherData": {"format": "eie-sim-trace", "format_version": 2}}', "format_version: 2"),
        (b'{"otherData": {"format": "eie-sim-trace", "format_version": 1}}', "window: None"),
        (b'{"otherData": NaN}', "NaN"),
        (b'{"ph": "X", "tid": 1, "ts": 1, "dur": -1, "args": {}}', "dur: -1"),
        (b'{"ph": "X", "tid": 1.5, "ts": 1, "dur": 1, "args": {}}', "tid: 1.5"),
        (b'{"ph": "X", "tid": 1, "ts": 1, "dur": 1}', "args: None"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (b"\x1f\x8bdamaged", "damaged gzip file"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    assert message in refused(path)


def test_a_truncated_file_is_refused(ran, trace, tmp_path):
    packed = tmp_path / "trace.json.gz"
    write_perfetto(packed, *ran)
    for path in (trace, packed):
        content = path.read_bytes()
        for keep in (len(content) // 3, len(content) - 9):
            path.write_bytes(content[:keep])
            refused(path)


def lines_of(trace):
    return trace.read_text(encoding="utf-8").splitlines()


def test_a_missing_slice_is_noticed(trace):
    lines = lines_of(trace)
    slices = [at for at, line in enumerate(lines[:-2]) if '"ph":"X"' in line and '"stall"' not in line]
    for at in slices[:: max(1, len(slices) // 40)]:
        trace.write_text("\n".join(lines[:at] + lines[at + 1 :]), encoding="utf-8")
        assert "some are missing or changed" in refused(trace)


def test_a_track_without_a_name_is_an_error(trace):
    kept = [line for line in lines_of(trace) if '"name":"pe2.act_rw"' not in line]
    trace.write_text("\n".join(kept), encoding="utf-8")
    assert "pe2.act_rw: no track of that name" in refused(trace)


def test_a_text_beyond_the_limit_is_refused_before_it_is_parsed(trace, tmp_path, monkeypatch):
    monkeypatch.setattr("eie_sim.trace.files.MOST_BYTES", 1000)
    bomb = tmp_path / "bomb.json.gz"
    bomb.write_bytes(gzip.compress(b" " * 10_000_000))
    for path in (trace, bomb):
        assert "at most that" in refused(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_perfetto(tmp_path / "absent.json")
    with pytest.raises(IsADirectoryError):
        read_perfetto(tmp_path)


# What is loaded -------------------------------------------------------------------------------------------------------


def test_traces_load_neither_an_engine_nor_pyvcd():
    code = (
        "import sys, eie_sim.trace\n"
        "assert not {'vcd', 'simpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not [name for name in sys.modules if name.startswith(('eie_sim.engines', 'eie_sim.machine'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_pyvcd_the_extra_is_named(ran, tmp_path, monkeypatch):
    from eie_sim.trace import write_vcd

    monkeypatch.setitem(sys.modules, "vcd", None)
    with pytest.raises(ImportError, match=r"pip install 'eie-sim\[vcd\]'"):
        write_vcd(tmp_path / "trace.vcd", *ran)
    assert list(tmp_path.iterdir()) == []
