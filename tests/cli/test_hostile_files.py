"""Text files that are hostile or unlucky, in every reader of the command lines: one line, exit code 2, no hang."""

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor import PackedModel, save_model
from compressor.cli.app import app as eie_compress
from compressor.messages import MOST_SHOWN, printable, shown
from compressor.storage.toml_file import MOST_BYTES, MOST_KEY_PARTS, parse_toml
from eie_sim import ArchConfig, limits
from eie_sim.baselines.devices import Device, Efficiency
from eie_sim.cli.app import app as eie_sim
from eie_sim.report.plots.styles import short_names, without_long_names
from eie_sim.sweep import cluster
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store, StoreError
from eie_sim.text_formats import csv_line, csv_text, markdown
from tests.cli.conftest import a_layer
from tests.command_line import call, error_line, in_a_process

READERS = {
    "machine": ("toml", "eie-sim", ("run", "a.eie", "--arch", "{file}")),
    "machine of info": ("toml", "eie-sim", ("info", "a.eie", "--arch", "{file}")),
    "device": ("toml", "eie-sim", ("report", "a.eie", "--set", "n_pe=4", "--device", "{file}")),
    "space": ("toml", "eie-sim", ("sweep", "run", "{file}")),
    "shapes": ("toml", "eie-compress", ("info", "a.net", "--shapes", "{file}")),
    "settings": ("toml", "eie-compress", ("compress", "a.npz", "--settings", "{file}", "--out", "a.dcz")),
    "topology": ("csv", "eie-sim", ("run", "{file}")),
    "configuration of SCALE-Sim": ("cfg", "eie-sim", ("run", "a.eie", "--arch", "{file}")),
    "results": ("json", "eie-sim", ("compare", "{file}", "{file}")),
    "classes": ("txt", "eie-sim", ("run", "lenet-5", "--inputs", "digit.npy", "--classes", "{file}")),
}
"""What reads a text file: the end of its name, the program and its arguments."""

PROGRAMS = {"eie-sim": eie_sim, "eie-compress": eie_compress}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a packed layer in it; a test that hangs ends with an error."""

    def hangs(*_):
        raise TimeoutError("the reader hangs")

    save_model(PackedModel([a_layer("a", 40, 30, n_pe=4)], ["none"]), tmp_path / "a.eie")
    np.save(tmp_path / "digit.npy", np.zeros((1, 1, 28, 28), np.float32))
    (tmp_path / "a.net").write_bytes(b"\0" * 100)
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(30)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(reader: str, name: str) -> str:
    """The one line with which a reader refuses the file of that name."""
    _, program, arguments = READERS[reader]
    return error_line(call(PROGRAMS[program], *(one.format(file=name) for one in arguments)), program)


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_and_not_waited_for(folder, reader):
    name = f"pipe.{READERS[reader][0]}"
    os.mkfifo(folder / name)
    assert f"{name}: not a regular file" in refused(reader, name)


@pytest.mark.parametrize("reader", READERS)
def test_an_endless_device_is_refused_and_not_read(folder, reader):
    name = f"zero.{READERS[reader][0]}"
    (folder / name).symlink_to("/dev/zero")
    assert f"{name}: not a regular file" in refused(reader, name)


@pytest.mark.parametrize("reader", READERS)
def test_a_loop_of_links_is_one_line(folder, reader):
    name = f"loop.{READERS[reader][0]}"
    (folder / name).symlink_to(name)
    assert name in refused(reader, name)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_utf_8_is_one_line_that_names_the_file(folder, reader):
    name = f"latin.{READERS[reader][0]}"
    (folder / name).write_bytes(b'# caf\xe9\nname = "x"\n')
    line = refused(reader, name)
    assert name in line
    assert "byte 5 is not UTF-8 text" in line


@pytest.mark.parametrize("reader", [name for name in READERS if name != "results"])
def test_a_file_that_is_too_long_is_not_read(folder, reader):
    name = f"long.{READERS[reader][0]}"
    with (folder / name).open("wb") as file:
        file.truncate(2**33)  # sparse: it takes no room on the disk
    assert "8,589,934,592 bytes; a " in refused(reader, name)


DEEP = {
    "arrays": "a = " + "[" * 20_000 + "]" * 20_000,
    "tables": "a = " + "{a = " * 20_000 + "1" + "}" * 20_000,
    "a key": ".".join("a" * 200_000) + " = 1",
    "a heading": "[" + ".".join("a" * 200_000) + "]",
    "a spaced key": " . ".join('"a"' for _ in range(100_000)) + " = 1",
    "digits": "a = " + "9" * 500_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("reader", [name for name, (ending, *_) in READERS.items() if ending == "toml"])
def test_toml_that_takes_a_parser_too_far_is_one_line(folder, reader, text):
    (folder / "deep.toml").write_text(text)
    assert "deep.toml: not a TOML file: " in refused(reader, "deep.toml")


def test_a_key_of_as_many_parts_as_are_read_is_read():
    key = ".".join(f"a{n}" for n in range(MOST_KEY_PARTS))
    found = parse_toml("x", f"{key} = 1")
    for n in range(MOST_KEY_PARTS):
        found = found[f"a{n}"]
    assert found == 1
    with pytest.raises(ValueError, match=f"x: line 2: a dotted key of more than {MOST_KEY_PARTS} parts; use fewer"):
        parse_toml("x", f"\n{key}.b = 1")


@given(st.text(alphabet="ab.-_ '\"=[]{}\n\t1,#\\", max_size=300))
def test_the_limit_of_keys_refuses_nothing_that_is_shorter(text):
    """Whatever Python's own parser says of a short text, so does ours."""
    import tomllib

    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ValueError, match=r"\Ax: [^\n]+\Z"):
            parse_toml("x", text)
    else:
        if text.count(".") < MOST_KEY_PARTS:
            assert parse_toml("x", text) == expected


def test_a_long_toml_file_of_plain_lines_is_read(folder):
    lines = "".join(f"# {n}\n" for n in range(100_000))
    assert len(lines) < MOST_BYTES
    (folder / "machine.toml").write_text(lines + "n_pe = 4\n")
    assert ArchConfig.from_toml("machine.toml").n_pe == 4


@pytest.mark.parametrize("value", ["[" * 5_000, "9" * 5_000, "0x" + "f" * 100_000, "a." * 5_000 + "b"])
def test_a_setting_that_is_hostile_is_one_short_line(folder, value):
    line = error_line(call(eie_sim, "run", "a.eie", "--set", f"n_pe={value}"), "eie-sim")
    assert "--set: n_pe: " in line
    assert len(line) < 400


# What a sweep reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "space",
    [
        '[axes]\nn_pe = 4\nworkload = "{pipe}.eie"\n',
        '[axes]\nn_pe = 4\nworkload = "a.eie"\nbaseline = "{pipe}.toml dense"\n',
        'arch = "{pipe}.toml"\n[axes]\nworkload = "a.eie"\n',
        'acts = "{pipe}.npy"\n[axes]\nn_pe = 4\nworkload = "a.eie"\n',
    ],
)
@pytest.mark.parametrize("made", ["pipe", "zero"])
def test_what_a_space_names_is_a_regular_file(folder, space, made):
    for ending in ("eie", "toml", "npy"):
        if made == "pipe":
            os.mkfifo(folder / f"pipe.{ending}")
        else:
            (folder / f"zero.{ending}").symlink_to("/dev/zero")
    (folder / "s.toml").write_text(space.format(pipe=made))
    line = error_line(call(eie_sim, "sweep", "run", "s.toml", "--jobs", "1"), "eie-sim")
    assert "not a regular file" in line
    assert not (folder / "s.sqlite").exists()


@pytest.mark.parametrize("name", [":memory:", "file:x.sqlite", "file:x?mode=memory"])
def test_a_store_is_a_file_of_its_name(folder, name):
    run_sweep(Space(axes={"workload": "NT-We", "n_pe": [2, 4]}), name, jobs=1)
    assert (folder / name).is_file()
    with Store(name) as opened:
        assert len(opened) == 2


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "good.sqlite"
    run_sweep(Space(axes={"workload": "NT-We", "n_pe": [2, 4]}), path, jobs=1)
    return path


DAMAGES = {
    "UPDATE points SET cycles = 'abc' WHERE n_pe = 2": ("points", "cycles"),
    "UPDATE points SET cycles = x'00ff'": ("points", "cycles"),
    "UPDATE points SET cycles = 1.5": ("points", "cycles"),
    "UPDATE points SET n_pe = 'x'": ("points", "n_pe"),
    "UPDATE points SET area_mm2 = 'x'": ("points", "area_mm2"),
    "UPDATE points SET workload = x'00ff'": ("points", "workload"),
    "UPDATE points SET status = 'what'": ("points", "status"),
    "UPDATE points SET status = NULL": ("points", "status"),
    "UPDATE sweeps SET conditions = 'null'": ("sweeps", "conditions"),
    "UPDATE sweeps SET conditions = '[1]'": ("sweeps", "conditions"),
    "UPDATE sweeps SET space = '[]'": ("sweeps", "space"),
    "UPDATE sweeps SET space = x'00'": ("sweeps", "space"),
    "UPDATE sweeps SET space = '" + "[" * 50_000 + "'": ("sweeps", "space"),
}
"""Statements, and the table and the column that they damage."""


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_cell_of_another_kind_than_its_column_is_a_damaged_store(store, folder, statement):
    (folder / "v.sqlite").write_bytes(store.read_bytes())
    connection = sqlite3.connect(folder / "v.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    table, column = DAMAGES[statement]
    for command in (["best"], ["query", "--columns", "cycles,area_mm2,n_pe,workload"], ["html", "--out", "o.html"]):
        if table == "sweeps" and command[0] == "query":
            continue  # which does not ask what was run
        line = error_line(call(eie_sim, "sweep", command[0], "v.sqlite", *command[1:]), "eie-sim")
        assert f"v.sqlite: table {table}, row " in line
        assert f"column {column!r}: " in line
        assert "the store is damaged" in line
    assert not (folder / "o.html").exists()


def test_a_damaged_cell_is_found_before_any_row_is_given(store, folder):
    (folder / "v.sqlite").write_bytes(store.read_bytes())
    connection = sqlite3.connect(folder / "v.sqlite")
    connection.execute("UPDATE points SET cycles = 'abc' WHERE n_pe = 4")
    connection.commit()
    connection.close()
    with Store("v.sqlite") as opened, pytest.raises(StoreError, match="'abc'"):
        next(opened.rows(["cycles"]))


# Integers ---------------------------------------------------------------------------------------------------

HUGE = 10**400


@pytest.mark.parametrize(
    "field",
    [name for name, one in ArchConfig.model_fields.items() if "int" in str(one.annotation).split("|")[0]],
)
def test_every_integer_of_a_machine_has_an_upper_limit(field):
    with pytest.raises(ValueError, match=rf"\A{field}: an integer of about 40[01] digits: [^\n]*less than or equal"):
        ArchConfig(**{field: HUGE})


def test_every_integer_of_a_device_and_of_a_space_has_an_upper_limit():
    with pytest.raises(ValueError, match=r"batch: an integer of about 40[01] digits: [^\n]*less than or equal"):
        Efficiency(kind="dense", batch=HUGE, efficiency=0.5, source="x")
    with pytest.raises(ValueError, match=r"cache_bytes: an integer of about 40[01] digits: [^\n]*less than or equal"):
        Device(cache_bytes=HUGE)
    for name in ("sampling_seed", "samples"):
        with pytest.raises(ValueError, match=rf"{name}: an integer of about 40[01] digits: [^\n]*less than or equal"):
            Space(axes={"workload": "NT-We"}, sampling="random", **{"samples": 1, name: HUGE})
    with pytest.raises(ValueError, match=f"n_pe: an integer of about 40[01] digits, but at most {limits.MOST_STORED}"):
        Space(axes={"workload": "NT-We", "n_pe": HUGE})


@given(
    st.one_of(st.integers(), st.integers(min_value=-(10**500), max_value=10**500), st.text(), st.lists(st.integers()))
)
def test_what_a_message_shows_is_short_and_one_line(value):
    text = shown(value)
    assert len(text) <= MOST_SHOWN
    assert text.isprintable()
    assert len(repr(value)) > MOST_SHOWN or text == repr(value) or isinstance(value, int)


# Names ------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
TRICKY = st.sampled_from(
    ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "=cmd|calc", "+1", "-1", "@x", "\tx", "'", "<b>", "a|b", ""]
)


@given(st.lists(st.tuples(NAMES | TRICKY, st.integers() | st.floats(allow_nan=False) | st.none()), min_size=1))
def test_a_table_as_csv_is_read_back_with_its_names_whole(rows):
    text = csv_text(["name", "value"], [{"name": name, "value": value} for name, value in rows])
    for read in (csv.reader(io.StringIO(text, newline="")), csv.reader(io.StringIO(text, newline=""), strict=True)):
        heading, *found = list(read)
        assert heading == ["name", "value"]
        for (name, value), (cell, number) in zip(rows, found, strict=True):
            assert cell == name or (cell == "'" + name and name[0] in "=+-@\t\r")
            assert number == ("" if value is None else str(value))


@given(st.lists(st.text(alphabet="ab,\"\n' ", max_size=8), min_size=2, max_size=5))
def test_a_row_of_csv_is_that_of_pythons_module(cells):
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    assert csv_line(cells) == written.getvalue()


@given(NAMES | TRICKY)
def test_markdown_shows_a_name_and_neither_html_nor_a_link_nor_a_cell(name):
    text = markdown(name)
    assert text.isprintable()
    for mark in "<>":
        assert mark not in text
    for mark in "|[]`*":
        assert text.count(mark) == text.count("\\" + mark)


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "a\x1b[31mb",
        "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    ],
)
def test_a_report_in_markdown_escapes_the_name_of_a_layer(folder, name):
    save_model(PackedModel([a_layer(name, 40, 30, n_pe=4)], ["none"]), "named.eie")
    result = call(eie_sim, "report", "named.eie", "--set", "n_pe=4", "--out", "rep")
    assert result.exit_code == 0, result.stderr
    for text in ((folder / "rep" / "report.md").read_text(), result.stdout + result.stderr):
        assert "\x1b" not in text
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    text = (folder / "rep" / "report.md").read_text()
    assert "<img" not in text
    assert "<script" not in text
    assert "[x](" not in text


@given(st.lists(st.text(min_size=1, max_size=60), unique=True, max_size=6))
def test_names_beside_a_plot_are_short_and_all_different(names):
    found = short_names(names)
    assert all(len(one) <= 48 and one.isprintable() for one in found)
    assert len(set(found)) == len({printable(name) for name in names})


def test_a_picture_shows_the_ends_of_a_long_name():
    assert without_long_names("x" * 3000 + ": 5 cycles") == "x" * 23 + "…" + "x" * 22 + ": 5 cycles"
    assert len(without_long_names("x " * 3000)) <= 400
    assert without_long_names("Alex-7: 5 cycles") == "Alex-7: 5 cycles"


# Disks, clusters and terminals ------------------------------------------------------------------------------


def read_only(folder, command: str) -> subprocess.CompletedProcess[str]:
    """A command line where the disk of `folder` cannot be written to."""
    mounted = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && cd {folder} && "
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted + command], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_store_on_a_disk_that_is_read_only_can_be_shown_and_not_written(store, folder):
    (folder / "ro").mkdir()
    (folder / "ro" / "s.sqlite").write_bytes(store.read_bytes())
    (folder / "ro" / "s.toml").write_text('[axes]\nworkload = "NT-We"\nn_pe = 8\n')
    if not shutil.which("unshare") or read_only(folder / "ro", "! touch x").returncode:
        pytest.skip("a disk that is read-only is made with unshare and mount, which need rights")
    program = f"{sys.executable} -m eie_sim sweep"
    shown_rows = read_only(folder / "ro", f"{program} query s.sqlite --json")
    assert shown_rows.returncode == 0, shown_rows.stderr
    assert len(json.loads(shown_rows.stdout)) == 2
    written = read_only(folder / "ro", f"{program} run s.toml --store s.sqlite --jobs 1")
    assert written.returncode == 2
    assert written.stderr.splitlines()[-1].endswith(
        "its folder must be there and writable, for SQLite keeps a log beside the file"
    )


@pytest.mark.parametrize(
    ("address", "why"),
    [("tcp://127.0.0.1:9", "Timed out"), ("nowhere", "missing port"), ("foo://x:1", "unknown address scheme")],
)
def test_a_scheduler_that_cannot_be_reached_is_one_line_within_ten_seconds(folder, monkeypatch, address, why):
    pytest.importorskip("distributed")
    assert cluster.CONNECT_S <= 8  # and two seconds to start
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    (folder / "s.toml").write_text('[axes]\nworkload = "NT-We"\nn_pe = 8\n')
    line = error_line(call(eie_sim, "sweep", "run", "s.toml", "--dask", address), "eie-sim")
    assert line.startswith(f"{address}: no Dask scheduler answers (")
    assert why in line
    assert not (folder / "s.sqlite").exists()


@pytest.mark.parametrize(("columns", "encoding"), [("0", "ascii"), ("1", "cp1252"), ("many", "latin-1")])
def test_a_run_ends_as_it_should_in_any_terminal(folder, columns, encoding):
    save_model(PackedModel([a_layer("日本語 \x1b[31m", 40, 30, n_pe=4)], ["none"]), "named.eie")
    ran = in_a_process(
        "eie_sim", "run", folder / "named.eie", "--set", "n_pe=4", COLUMNS=columns, PYTHONIOENCODING=encoding
    )
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    assert "???" in ran.stdout
