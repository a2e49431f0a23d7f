"""The store of a sweep: whole rows, all of a transaction or none of it, and never another program's file."""

import csv
import io
import sqlite3
import threading

import pytest

from eie_sim.sweep import store as module
from eie_sim.sweep.columns import INPUTS, METRICS
from eie_sim.sweep.store import (
    ABOUT_THE_RUN,
    APPLICATION_ID,
    COLUMNS,
    DONE,
    EXPORTED,
    FAILED,
    SCHEMA_VERSION,
    Store,
    StoreError,
    is_begun,
)
from tests.extras import needs


def a_row(key, status=DONE, **cells):
    """A row as the runner writes it."""
    about = {"workload": "a.eie", "seed": 0, "n_pe": 4, "package_version": "1", "host": "here", "seconds": 0.5}
    metrics = {} if status == FAILED else {"cycles": 10, "time_us": 0.1}
    error = {"error": "it broke"} if status == FAILED else {}
    return {**dict.fromkeys(COLUMNS), "key": key, "status": status, **about, **metrics, **error, **cells}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.sqlite"


@pytest.fixture
def store(path):
    with Store(path, create=True) as opened:
        yield opened


def pragma(path, name):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def a_foreign_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE points (x)")
    connection.commit()
    connection.close()


# The file -------------------------------------------------------------------------------------------------------------


def test_a_new_store_says_what_it_is(store, path):
    assert len(store) == 0
    assert store.sweeps() == []
    assert (pragma(path, "application_id"), pragma(path, "user_version")) == (APPLICATION_ID, SCHEMA_VERSION)
    assert pragma(path, "journal_mode") == "wal"
    assert store.check() == "ok"


def test_rows_come_back_as_they_were(store, path):
    cells = {"n_pe": 2**63 - 1, "clock_hz": 8e8, "time_us": 0.1 + 0.2, "workload": 'ä, "b"', "speedup": None}
    store.add([a_row("k", **cells)])
    (row,) = store.rows()
    assert list(row) == list(COLUMNS)
    assert row == a_row("k", **cells)
    assert {type(row[name]) for name in ("n_pe", "cycles", "seed")} == {int}
    assert {type(row[name]) for name in ("clock_hz", "time_us", "seconds")} == {float}
    store.close()
    with Store(path) as again:
        assert list(again.rows()) == [row]


def test_whole_numbers_in_columns_of_real_ones_come_back_real(store):
    store.add([a_row("k", clock_hz=800000000, time_us=3)])
    (row,) = store.rows(["clock_hz", "time_us"])
    assert [type(value) for value in row.values()] == [float, float]


def test_a_store_that_is_not_there_is_made_only_when_asked_for(path):
    with pytest.raises(FileNotFoundError, match=r"a\.sqlite"):
        Store(path)
    assert not path.exists()


def test_a_store_cannot_be_made_where_there_is_no_folder(tmp_path):
    with pytest.raises(StoreError, match=r"none.a\.sqlite: unable to open database file"):
        Store(tmp_path / "none" / "a.sqlite", create=True)


@pytest.mark.parametrize("content", [b"name,n_pe\na,4\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"a\.sqlite: "):
        Store(path, create=True)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused(path):
    a_foreign_database(path)
    with pytest.raises(StoreError, match=r"a\.sqlite: is no store of a sweep"):
        Store(path, create=True)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("points",)]
    connection.close()


def test_the_database_of_another_program_is_left_as_it_is(path):
    a_foreign_database(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is no store of a sweep"):
        Store(path)
    assert path.read_bytes() == before


def test_an_empty_file_is_no_store(path):
    path.touch()
    with pytest.raises(StoreError, match="is no store of a sweep"):
        Store(path)


def test_a_store_of_a_newer_version_is_refused_and_unchanged(store, path):
    store.add([a_row("k")])
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=rf"schema version {SCHEMA_VERSION + 1}, but eie-sim \S+ knows up to"):
        Store(path)
    assert pragma(path, "user_version") == SCHEMA_VERSION + 1


@pytest.mark.parametrize("older", range(SCHEMA_VERSION))
def test_a_store_of_an_older_version_is_refused_with_the_cure_and_unchanged(store, path, older):
    store.add([a_row("k")])
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {older}")
    connection.close()
    reads = rf"schema version {older}, but eie-sim \S+ reads {SCHEMA_VERSION}; run the sweep again into a new store"
    for create in (False, True):
        with pytest.raises(StoreError, match=reads) as refused:
            Store(path, create=create)
        assert "\n" not in str(refused.value)
    assert pragma(path, "user_version") == older


def test_a_store_of_schema_4_is_read_whichever_version_of_the_package_wrote_it(store, path):
    assert SCHEMA_VERSION == 4  # of the stores that there are
    store.add([a_row("k", package_version="0.1")])
    store.close()
    with Store(path) as opened:
        assert [row["package_version"] for row in opened.rows()] == ["0.1"]


# Adding ---------------------------------------------------------------------------------------------------------------


def test_a_row_that_is_done_is_never_replaced(store):
    store.add([a_row("k", cycles=10)])
    store.add([a_row("k", cycles=11), a_row("k", FAILED)])
    assert [(row["cycles"], row["status"]) for row in store.rows()] == [(10, DONE)]


def test_a_row_that_failed_is_replaced_whole(store):
    store.add([a_row("k", FAILED, host="there")])
    store.add([a_row("k", FAILED, error="again")])
    assert [row["error"] for row in store.rows()] == ["again"]
    store.add([a_row("k", cycles=12)])
    assert list(store.rows()) == [a_row("k", cycles=12)]


def test_keys_and_counts_tell_done_from_failed(store):
    store.add([a_row("a"), a_row("b", FAILED), a_row("c")])
    assert store.keys() == {"a", "b", "c"}
    assert store.keys(failed_too=False) == {"a", "c"}
    assert (store.count(DONE), store.count(FAILED), len(store)) == (2, 1, 3)
    assert [row["key"] for row in store.rows(["key"], done_only=True)] == ["a", "c"]


def some_rows_then(error):
    yield a_row("a")
    yield a_row("b")
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), MemoryError()])
def test_of_rows_that_break_off_none_is_there(store, error):
    store.add([a_row("before")])
    with pytest.raises(type(error)):
        store.add(some_rows_then(error))
    assert store.keys() == {"before"}
    store.add([a_row("after")])
    assert store.keys() == {"before", "after"}


@pytest.mark.parametrize("wrong", [a_row(None), {"key": "x"}, a_row("x", n_pe=2**70), a_row("x", n_pe=object())])
def test_a_row_that_cannot_be_written_takes_the_others_with_it(store, wrong):
    with pytest.raises((StoreError, OverflowError, KeyError)):
        store.add([a_row("a"), wrong])
    assert len(store) == 0


def test_nobody_sees_half_of_a_transaction(store, path):
    begun, seen = threading.Event(), threading.Event()

    def slowly():
        yield a_row("a")
        begun.set()
        assert seen.wait(30)
        yield a_row("b")

    counts = []

    def look():
        assert begun.wait(30)
        connection = sqlite3.connect(path)
        counts.append(connection.execute("SELECT count(*) FROM points").fetchone()[0])
        connection.close()
        seen.set()

    reader = threading.Thread(target=look)
    reader.start()
    store.add(slowly())
    reader.join()
    assert (counts, len(store)) == ([0], 2)


def test_two_connections_write_to_one_store(store, path):
    with Store(path) as other:
        for at in range(10):
            (store, other)[at % 2].add([a_row(f"k{at}"), a_row("shared")])
        assert len(store) == len(other) == 11


def test_a_writer_that_waits_too_long_says_why(path, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    locked = r"a\.sqlite: .*locked: another process has been writing to it for 0\.05 s"
    with Store(path, create=True) as one, Store(path) as other:
        with one._transaction(), pytest.raises(StoreError, match=locked):
            other.add([a_row("k")])
        other.add([a_row("k")])
        assert len(one) == 1


def test_sweeps_are_noted_in_order(store):
    for name in ("b", "a"):
        store.begin(name, "{}", "[]", "2026-01-01")
    assert store.sweeps() == [("b", "{}", "[]", "2026-01-01"), ("a", "{}", "[]", "2026-01-01")]


# A full disk ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_a_clear_error_and_leaves_the_store_whole(path):
    written = 0

    def fill(full):
        nonlocal written
        for at in range(1000):
            full.add([a_row(f"{at:03}-{part}") for part in range(50)])
            written += 1

    no_room = r"a\.sqlite: .*full: no room for more rows; those that are there are whole"
    with Store(path, create=True, max_pages=40) as full:
        with pytest.raises(StoreError, match=no_room):
            fill(full)
        assert 0 < written < 1000
        assert len(full) == 50 * written
        assert full.check() == "ok"
    with Store(path) as roomy:  # as on a larger disk
        assert roomy.check() == "ok"
        assert len(roomy) == 50 * written
        roomy.add([a_row("one more")])
        assert len(roomy) == 50 * written + 1


def test_a_disk_that_is_full_from_the_beginning_is_a_clear_error(path):
    with pytest.raises(StoreError, match="full"):
        Store(path, create=True, max_pages=1)


# Looking --------------------------------------------------------------------------------------------------------------


def test_rows_stand_in_the_order_of_their_inputs_then_of_their_keys(store):
    made = [
        a_row(key, workload=workload, seed=seed, n_pe=n_pe)
        for key, (workload, seed, n_pe) in zip(
            "fedcba", [("b", 0, 4), ("a", 10, 4), ("a", 9, 4), ("a", 9, 16), ("a", 9, 4), ("a", None, 4)], strict=True
        )
    ]
    store.add(made)
    expected = ["a", "b", "d", "c", "e", "f"]
    assert [row["key"] for row in store.rows(["key"])] == expected
    assert [row["key"] for row in store.rows()] == expected


def test_an_unknown_column_is_refused(store):
    with pytest.raises(ValueError, match=r"column: 'n_pes'; there are key, workload"):
        list(store.rows(["key", "n_pes"]))
    with pytest.raises(ValueError, match="column: "):
        list(store.rows(['key" FROM points; DROP TABLE points; --']))
    assert len(store) == 0


# Exports --------------------------------------------------------------------------------------------------------------


def test_a_csv_has_every_column_but_those_about_the_run(store, tmp_path):
    store.add([a_row("b", n_pe=2, workload='say "a", ä'), a_row("a", FAILED, n_pe=16), a_row("c", time_us=0.1 + 0.2)])
    assert store.export_csv(tmp_path / "a.csv") == 3
    content = (tmp_path / "a.csv").read_bytes()
    assert b"\r" not in content
    heading, *rows = csv.reader(io.StringIO(content.decode()))
    assert heading == list(EXPORTED) == [name for name in COLUMNS if name not in ABOUT_THE_RUN]
    found = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [one["key"] for one in found] == ["c", "a", "b"]  # by workload, then by n_pe
    assert found[0]["time_us"] == "0.30000000000000004"
    assert found[1] | {"status": FAILED, "error": "it broke", "cycles": ""} == found[1]
    assert found[2]["workload"] == 'say "a", ä'


def test_the_bytes_of_an_export_do_not_depend_on_who_wrote_the_rows_when(tmp_path):
    rows = [a_row(f"k{at}", n_pe=at % 3, seed=at) for at in range(20)]
    contents = set()
    for name, order, host in (("x", 1, "here"), ("y", -1, "there")):
        with Store(tmp_path / name, create=True) as store:
            for row in rows[::order]:
                store.add([{**row, "host": host, "seconds": 0.1 * order}])
            store.export_csv(tmp_path / f"{name}.csv")
        contents.add((tmp_path / f"{name}.csv").read_bytes())
    assert len(contents) == 1


def test_an_export_of_no_rows_is_its_heading(store, tmp_path):
    assert store.export_csv(tmp_path / "a.csv") == 0
    assert (tmp_path / "a.csv").read_text() == ",".join(EXPORTED) + "\n"


def test_an_export_that_fails_leaves_the_old_one(store, tmp_path, monkeypatch):
    store.export_csv(tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    store.add([a_row("k")])

    def broken(*_columns):
        yield {name: cell for name, cell in a_row("k").items() if name in EXPORTED}
        raise StoreError("gone")

    monkeypatch.setattr(store, "rows", broken)
    with pytest.raises(StoreError, match="gone"):
        store.export_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before
    assert {file.name for file in tmp_path.iterdir() if not file.name.startswith("a.sqlite")} == {"a.csv"}


def test_pandas_gets_all_rows(store):
    pandas = needs("pandas", "parquet")
    store.add([a_row("b", n_pe=2), a_row("a", FAILED, n_pe=1)])
    frame = store.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(EXPORTED)
    assert frame["key"].tolist() == ["a", "b"]
    assert frame["n_pe"].tolist() == [1, 2]
    assert pandas.isna(frame["cycles"][0])
    assert store.frame(["key", "host"]).to_numpy().tolist() == [["a", "here"], ["b", "here"]]


def test_a_frame_of_no_rows_has_its_columns(store):
    needs("pandas", "parquet")
    assert list(store.frame().columns) == list(EXPORTED)


def test_parquet_has_the_rows_of_the_csv_with_types_units_and_definitions(store, tmp_path):
    needs("pandas", "parquet")
    parquet = needs("pyarrow.parquet", "parquet")
    store.add([a_row(f"k{at}", n_pe=at, time_us=at / 3) for at in range(5)])
    store.add([a_row("bad", FAILED)])
    assert store.export_parquet(tmp_path / "a.parquet") == 6
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.to_pylist() == list(store.rows(EXPORTED))
    types = {name: str(table.schema.field(name).type) for name in ("n_pe", "clock_hz", "cycles", "time_us", "workload")}
    assert list(types.values()) == ["int64", "double", "int64", "double", "string"]
    told = table.schema.field("time_us").metadata
    assert told[b"unit"] == b"us"
    assert all(table.schema.field(name).metadata[b"definition"] for name in (*INPUTS, *METRICS))


def test_a_parquet_of_many_rows_is_written_in_pieces(store, tmp_path):
    needs("pandas", "parquet")
    parquet = needs("pyarrow.parquet", "parquet")
    store.add(a_row(f"{at:05}") for at in range(10_001))
    assert store.export_parquet(tmp_path / "a.parquet") == 10_001
    table = parquet.read_table(tmp_path / "a.parquet", columns=["key"])
    assert table.column("key").to_pylist() == [f"{at:05}" for at in range(10_001)]


def test_without_the_extra_an_export_says_what_to_install(store, tmp_path, monkeypatch):
    modules = __import__("sys").modules
    for library, export in (
        ("pandas", store.frame),
        ("pyarrow", lambda: store.export_parquet(tmp_path / "a.parquet")),
    ):
        monkeypatch.setitem(modules, library, None)
        with pytest.raises(ImportError, match=r"pip install 'eie-sim\[parquet\]'"):
            export()
    assert not (tmp_path / "a.parquet").exists()


# Which points are of which sweep --------------------------------------------------------------------------------------


def keys_of(store, **more):
    return [row["key"] for row in store.rows(("key",), **more)]


def test_the_rows_of_the_last_sweep_are_told_from_those_of_the_others(store):
    store.add([a_row(key) for key in "abcd"])
    store.begin("first", "{}", "[]", "now", "ab")
    store.begin("second", "{}", "[]", "now", "bc")
    assert keys_of(store) == list("abcd")
    assert keys_of(store, of_last_sweep=True) == ["b", "c"]


def test_a_sweep_that_is_run_again_is_of_what_it_has_now(store):
    store.add([a_row(key) for key in "abc"])
    store.begin("one", "{}", "[]", "now", "ab")
    store.begin("one", "{}", "[]", "later", "c")
    assert keys_of(store, of_last_sweep=True) == ["c"]
    assert len(store.sweeps()) == 2


def test_a_sweep_can_get_more_points(store):
    store.add([a_row(key) for key in "abc"])
    store.begin("one", "{}", "[]", "now", "a")
    store.extend("ab")
    assert keys_of(store, of_last_sweep=True) == ["a", "b"]


def test_where_nobody_noted_the_points_all_are_of_the_last_sweep(store):
    store.add([a_row(key) for key in "ab"])
    assert keys_of(store, of_last_sweep=True) == ["a", "b"]
    store.begin("one", "{}", "[]", "now")
    assert keys_of(store, of_last_sweep=True) == ["a", "b"]


# What is hardly there, or damaged -------------------------------------------------------------------------------------


def test_a_file_that_was_made_a_moment_ago_is_not_begun(path):
    assert not is_begun(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")  # what is there when the process that makes a store is killed then
    connection.close()
    assert path.stat().st_size > 0
    assert not is_begun(path)
    with Store(path, create=True):
        assert is_begun(path)


def test_a_file_of_another_kind_is_begun_so_that_it_is_refused(path):
    a_foreign_database(path)
    assert is_begun(path)
    path.write_bytes(b"no database at all" * 100)
    assert is_begun(path)


def test_a_store_without_a_column_is_damaged(store, path):
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE points DROP COLUMN edp_nj_us")
    connection.close()
    with pytest.raises(StoreError, match="has no column 'edp_nj_us': it is damaged"):
        Store(path)
