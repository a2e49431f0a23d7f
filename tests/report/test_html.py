"""The pages as text: whole in one file, safe with any name, every column defined, the same bytes for the same run."""

import base64
import hashlib
import json
import re
import tomllib
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim import ArchConfig
from eie_sim.capacity import capacity_report
from eie_sim.cli.app import app
from eie_sim.origin import Origin
from eie_sim.paper import LAYERS
from eie_sim.report.html import sweep_page as of_sweeps
from eie_sim.report.html import tables
from eie_sim.report.html.album import Album
from eie_sim.report.html.details import CAPACITY, capacity_rows
from eie_sim.report.html.heat_map import BUSY_LEVELS, MOST_LINES, PE_COLUMNS, each_pe, heat_map, line_names, lines_of
from eie_sim.report.html.inline_svg import Pictures, _shorter
from eie_sim.report.html.markup import Markup, element, json_block, text
from eie_sim.report.html.report_page import _compared
from eie_sim.report.html.sweep_page import SweepFacts, sweep_page
from eie_sim.report.report_columns import REPORTS
from eie_sim.sweep.columns import MACHINE
from eie_sim.sweep.select import pareto
from eie_sim.text_formats import assignments
from eie_sim.views import pe_totals, queue_occupancy, utilisation
from eie_sim.workload import calibrated_layer, redrawn
from tests.command_line import call
from tests.report.pages import HOSTILE, OBJECTIVES, Parsed, a_detail, a_report_page, a_sweep_page, some_machines

LOADERS = {"link", "img", "iframe", "object", "embed", "base", "audio", "video", "source", "frame", "applet"}


@pytest.fixture(scope="module")
def run():
    return a_report_page("fc1", "fc2", notes=("a note",))


@pytest.fixture(scope="module")
def sweep():
    return a_sweep_page()


@pytest.fixture
def without_pictures(monkeypatch):
    """Pages are made in no time."""
    monkeypatch.setattr(Album, "_picture", lambda *_: Markup())


@pytest.fixture(scope="module", params=["run", "sweep"])
def page(request):
    return request.getfixturevalue(request.param)


# One file -------------------------------------------------------------------------------------------------------------


def test_a_page_loads_nothing(page):
    found = Parsed(page)
    assert not LOADERS & set(found.tags)
    assert not [attributes for tag, attributes in found.elements if tag == "script" and "src" in attributes]
    _, outside = found.references()
    assert all(address.startswith("data:image/png;base64,") for address in outside)
    assert "@import" not in found.contents["style"]
    assert "url(" not in found.contents["style"]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_the_policy_forbids_everything_but_the_one_script_and_the_one_style(page):
    found = Parsed(page)
    (policy,) = (a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for kind, content in (("style", found.contents["style"]), ("script", found.contents["script"])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert not [a for _, a in found.elements if "style" in a or any(name.startswith("on") for name in a)]


def test_every_reference_inside_a_page_has_its_one_target(page):
    found = Parsed(page)
    inside, _ = found.references()
    made_by_script = {"colours"}
    assert len(found.ids) == len(set(found.ids))
    assert inside <= {*found.ids, *made_by_script}


def test_the_same_run_gives_the_same_bytes(run, sweep):
    assert run == a_report_page("fc1", "fc2", notes=("a note",))  # pictures and all
    assert sweep == a_sweep_page()


def test_a_page_says_what_was_simulated_and_with_what(run):
    told = unescape(re.sub(r"<[^>]+>", " ", run))
    for words in (
        "fc1",
        "drawn for fc2",
        "engine fast",
        "table2-8cycle",
        "a note",
        "i7-5930K",
        "4 PEs, 800 MHz, 45 nm",
    ):
        assert words in told


# Names ----------------------------------------------------------------------------------------------------------------


def test_a_name_is_never_more_than_a_name():
    plain, hostile = Parsed(a_report_page("fc")), Parsed(a_report_page(HOSTILE))
    of_letters = {"path": 0, "use": 0, "g": 0}  # pictures spell the name
    assert {**hostile.tags, **of_letters} == {**plain.tags, **of_letters}
    assert hostile.comments == plain.comments == []
    assert [a for _, a in hostile.elements if "onerror" in a] == []
    assert json.loads(hostile.contents["heat-data"])["layer-0"]["layer"] == HOSTILE


@pytest.mark.parametrize("where", ["machine", "note", "left_out"])
def test_no_other_text_of_a_user_is_more_than_a_text(where, without_pictures):
    given = {"machine": {"machine_name": HOSTILE}, "note": {"notes": (HOSTILE,)}, "left_out": {"left_out": HOSTILE}}
    same = {"machine": {}, "note": {"notes": ("note",)}, "left_out": {"left_out": "none"}}
    assert Parsed(a_report_page("fc", **given[where])).tags == Parsed(a_report_page("fc", **same[where])).tags


def test_a_sweep_with_hostile_names_is_a_sweep(without_pictures):
    assert Parsed(a_sweep_page(HOSTILE, (HOSTILE, "b"))).tags == Parsed(a_sweep_page("tiny", ("a", "b"))).tags


PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]))


@given(PRINTABLE)
def test_a_text_reads_back_as_it_was(words):
    assert unescape(text(words)) == words
    assert not set("<>\"'") & set(text(words))


@given(st.text(), st.text())
def test_an_element_holds_one_element_whatever_its_texts_are(inside, attribute):
    found = Parsed(element("p", inside, title=attribute))
    assert [tag for tag, _ in found.elements] == ["p"]


@given(st.dictionaries(st.text(), st.lists(st.text() | st.integers() | st.none())))
def test_data_read_back_from_their_element_are_the_same(value):
    found = Parsed(json_block("data", value))
    assert found.tags == {"script": 1}
    assert json.loads(found.contents["data"]) == value


def test_data_without_a_number_are_refused():
    with pytest.raises(ValueError, match="Out of range"):
        json_block("data", float("nan"))


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), PRINTABLE | st.booleans() | st.integers(-9, 9)))
def test_toml_reads_back_as_it_was(fields):
    assert tomllib.loads(assignments(fields)) == fields


# Tables ---------------------------------------------------------------------------------------------------------------


def test_every_table_of_a_page_has_its_columns_defined(page):
    tables_there = re.findall(r"<table.*?</table>", page, re.DOTALL)
    defined = re.findall(r'<details class="defined">.*?</details>', page, re.DOTALL)
    assert len(tables_there) == len(defined) > 0
    for table, definitions in zip(tables_there, defined, strict=True):
        headings = [re.sub(r"<span.*", "", h) for h in re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)]
        terms = re.findall(r"<dt>(.*?)(?:<span.*?)?</dt><dd>(.+?)</dd>", definitions)
        assert headings == [name for name, _ in terms]
        assert "<caption>" in table


def test_every_report_is_on_the_page(run):
    there = re.findall(r'<table id="([^"]+)"', run)
    shown = ("compute", "bandwidth", "events", "calibrations", "areas", "baselines")
    assert set(shown) <= set(there)
    assert len(shown) == len(REPORTS) - 1  # whole inferences are those of a chain


def test_a_cell_keeps_the_number_that_its_text_rounds():
    table = tables.data_table("t", "T", {"x": {"unit": "us", "definition": "X."}}, [{"x": 1234.5678}, {"x": None}])
    assert 'data-v="1234.5678"' in table
    assert ">1,235<" in table


def test_a_table_of_more_rows_than_a_page_holds_says_so(monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    told = tables.data_table("t", "T", {"x": {"unit": "", "definition": "X."}}, [{"x": at} for at in range(5)])
    assert told.count("<tr") == 3
    assert "The first 2 of 5 rows" in told


def test_a_table_of_many_input_vectors_has_the_first_of_every_layer():
    columns = {name: {"unit": "", "definition": name} for name in ("layer", "input")}
    rows = [{"layer": layer, "input": at} for layer in ("fc1", "fc2") for at in range(1200)]
    told = tables.data_table("t", "T", columns, rows)
    assert told.count("<tr") == 1 + 2 * tables.MOST_INPUTS
    assert ">fc1<" in told
    assert ">fc2<" in told
    assert "The first 10 of 1,200 input vectors. The CSV and JSON files" in told
    assert "input vectors" not in tables.data_table("t", "T", columns, rows[: tables.MOST_INPUTS])


def test_a_table_says_what_it_leaves_out_of_input_vectors_and_of_rows(monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    rows = [{"input": at, "x": 0} for at in range(11)]
    columns = {name: {"unit": "", "definition": name} for name in ("input", "x")}
    told = tables.data_table("t", "T", columns, rows)
    assert "The first 10 of 11 input vectors. The first 2 of 10 rows of these. The CSV" in told


def test_capacity_is_that_of_the_layer():
    detail = a_detail()
    rows = capacity_rows([detail])
    assert [(row["memory"], row["used"], row["available"]) for row in rows] == [
        (need.memory, need.used, need.available) for need in capacity_report(detail.layer, detail.result.arch)
    ]
    assert set(rows[0]) == set(CAPACITY)


def test_a_layer_without_its_schedule_is_told_of(without_pictures):
    page = a_report_page("fc", with_details=False, left_out="No schedule of fc.")
    assert page.count("No schedule of fc.") == 2
    assert not [a for _, a in Parsed(page).elements if "data-heat" in a]
    assert '<table id="needs"' not in page


def test_the_machine_of_a_page_reads_back_from_its_text(run):
    toml = unescape(re.search(r'<textarea id="toml"[^>]*>(.*?)</textarea>', run, re.DOTALL)[1])
    assert ArchConfig(**tomllib.loads(toml)) == ArchConfig(n_pe=4)


# Maps -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_pe", "depth", "steps", "n_bytes"),
    [(4, 8, 10, 1), (4, 1, 10, 1), (7, 2, 10, 1), (4, 64, 10, 2), (4, 10_000, 1, 2)],
)
def test_a_map_holds_what_the_views_say_to_the_digits_that_are_shown(n_pe, depth, steps, n_bytes):
    result = a_detail(n_pe=n_pe, act_queue_depth=depth).result
    found = heat_map(result)
    bins = len(found.first_cycle) - 1
    busy, waiting = utilisation(result.schedule, bins).busy_share, queue_occupancy(result.schedule, bins).mean
    assert (found.most_waiting, found.levels_a_place) == (max(1, depth - 1), steps)
    assert np.array_equal(found.busy, np.rint(busy * BUSY_LEVELS))
    assert np.array_equal(found.waiting, np.rint(waiting * steps))
    data = found.data()
    assert base64.b64decode(data["busy"]) == found.busy.tobytes()
    assert len(base64.b64decode(data["waiting"])) == n_pe * bins * n_bytes
    assert data["wide"] == (n_bytes == 2)


def test_neighbours_share_a_line_where_there_are_many_pes():
    result = a_detail(n_pe=300, n_rows=600, n_cols=20).result
    found = heat_map(result)
    assert len(found.busy) == MOST_LINES
    assert found.first_pe[0] == 0
    assert found.first_pe[-1] == 300
    of_bins = utilisation(result.schedule, len(found.first_cycle) - 1).busy_share
    first, after = found.first_pe[3:5]
    assert np.array_equal(found.busy[3], np.rint(of_bins[first:after].mean(axis=0) * BUSY_LEVELS))


def test_lines_are_named_by_their_pes():
    assert line_names(lines_of(3)) == [0, 1, 2]
    assert line_names(np.array([0, 2, 3])) == ["0-1", 2]


def test_the_table_of_pes_sums_to_the_cycles_of_the_run():
    detail = a_detail(n_pe=5)
    page = each_pe("pes", detail.layer, detail.result)
    rows = re.findall(r"<tr>(<th scope=\"row\".*?)</tr>", page, re.DOTALL)
    cells = [[int(c.replace(",", "")) for c in re.findall(r">([\d,]+)</t[hd]>", row)] for row in rows]
    assert all(len(row) == len(PE_COLUMNS) for row in cells)
    assert [sum(row[1:7]) for row in cells] == [detail.result.cycles] * 5
    assert [row[1] for row in cells] == pe_totals(detail.result.schedule, detail.layer).entry.tolist()


# Pictures -------------------------------------------------------------------------------------------------------------

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"><!-- a<b -->'
    '<metadata>no</metadata><defs><style>*{{}}</style><path id="{name}" d="M 0 0 L 1.23456 0 z"/></defs>'
    '<g id="unused" style="fill: #fff; stroke: none" clip-path="url(#c)"><use xlink:href="#{name}" '
    'transform="translate(3.14159 0)"/></g><defs><clipPath id="c"><rect width="9" height="9"/></clipPath></defs></svg>'
)


def test_pictures_share_shapes_and_no_names():
    pictures = Pictures()
    one, two = (pictures.inline(SVG.format(name=name).encode(), "It <works>") for name in ("a", "b"))
    found = Parsed(Markup(one + two + pictures.sheet()))
    assert found.tags["path"] == 1
    assert len(found.ids) == len(set(found.ids)) == 3
    inside, outside = found.references()
    assert (inside, outside) == (set(found.ids), set())
    svg = found.elements[0][1]
    assert (svg["role"], svg["aria-label"]) == ("img", "It <works>")
    assert found.comments == []
    assert not [a for _, a in found.elements if "style" in a]
    assert 'fill="#fff" stroke="none"' in one
    assert 'x="3.14"' in one
    assert found.tags["metadata"] == found.tags["style"] == 0


@pytest.mark.parametrize("svg", [b"no", b"<html/>"])
def test_what_is_no_picture_is_refused(svg):
    with pytest.raises(ValueError, match="picture: "):
        Pictures().inline(svg, "")


NUMBERS = st.sampled_from(["0", "1", "2.5", "-3"])
POINTS = st.lists(st.tuples(st.sampled_from("ML"), NUMBERS, NUMBERS), min_size=1)


@given(POINTS)
def test_a_shorter_path_goes_through_the_same_points(points):
    path = " ".join(f"{command} {x} {y}" for command, x, y in [("M", *points[0][1:]), *points[1:]]) + " z"
    there, here = [], ["", ""]
    for command, numbers in re.findall(r"([MLHVz])([^MLHVz]*)", _shorter(path)):
        given = numbers.split()
        if command == "z":
            continue
        here = [given[0], here[1]] if command == "H" else [here[0], given[0]] if command == "V" else given
        there.append(tuple(here))
    assert there == [(x, y) for _, x, y in points]


def test_a_path_that_is_not_understood_stays_as_it_is():
    assert _shorter("m 1 2 l 3 4") == "m 1 2 l 3 4"


# Sweeps ---------------------------------------------------------------------------------------------------------------


def data_of(page):
    return json.loads(Parsed(page).contents["sweep-data"])


def test_every_machine_of_a_sweep_reads_back_from_its_text(sweep):
    found, data = some_machines(), data_of(sweep)
    assert data["axes"] == ["n_pe", "clock_hz", "act_queue_depth"]
    order = [*pareto(found, OBJECTIVES), *(one for one in found if one not in pareto(found, OBJECTIVES))]
    for at, one in enumerate(order):
        fields = [(i, i["toml"][i["at"][at] if i["at"] else 0]) for i in data["inputs"] if i["machine"]]
        toml = "".join(f"{i['name']} = {value}\n" for i, value in fields if value is not None)
        machine = ArchConfig(**tomllib.loads(toml))
        assert {name: getattr(machine, name) for name in MACHINE} == {name: one.inputs[name] for name in MACHINE}
        assert [metric["values"][at] for metric in data["metrics"]] == list(one.values.values())


def test_of_many_machines_those_of_every_front_are_shown(monkeypatch, without_pictures):
    monkeypatch.setattr(of_sweeps, "MOST_POINTS", 2)
    page, found = a_sweep_page(), some_machines()
    shown = len(data_of(page)["metrics"][0]["values"])
    assert len(pareto(found, OBJECTIVES)) <= shown < len(found)
    assert f"{shown:,} of {len(found):,} machines are drawn" in page
    best = {one.values["load_balance"] for one in pareto(found, ("load_balance", "time_us"))}
    assert best <= set(data_of(page)["metrics"][3]["values"])


def test_the_rows_of_the_table_are_the_points_of_the_chart(sweep):
    rows = [int(at) for at in re.findall(r'data-link="(\d+)"', sweep)]
    assert rows == list(range(len(some_machines())))


# What was kept --------------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_calibrated_layer_is_drawn_again_from_its_origin():
    first = calibrated_layer("NT-Wd", seed=3, n_pe=8)
    again = redrawn("NT-Wd", first.origin, 8, 4)
    assert again is not None
    assert again.origin == first.origin
    assert np.array_equal(again.layer.codes, first.layer.codes)
    assert np.array_equal(again.acts, first.acts)


CALIBRATED = Origin("calibrated", "NT-Wd", fit="all_points", seed=0)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("NT-Wd", Origin("file", "chain.eie", inputs="file", inputs_name="acts.npy")),
        ("mine", CALIBRATED),
        ("NT-Wd", Origin("given", str(CALIBRATED))),
        ("NT-Wd", replace(CALIBRATED, fit="mine")),
        ("NT-Wd", replace(CALIBRATED, inputs="file", inputs_name="acts.npy")),
        ("NT-Wd", replace(CALIBRATED, seed=-1)),
    ],
)
def test_another_origin_is_not_drawn_again(name, origin):
    assert redrawn(name, origin, 8, 4) is None


@pytest.mark.slow
@pytest.mark.compiled_only
def test_the_page_of_the_nine_layers_is_under_3_megabytes(tmp_path, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    page = tmp_path / "nine.html"
    assert call(app, "report", "--html", page).exit_code == 0
    assert page.stat().st_size < 3_000_000
    maps = json.loads(Parsed(page.read_text(encoding="utf-8")).contents["heat-data"])
    assert [one["layer"] for one in maps.values()] == list(LAYERS)


def test_a_machine_beyond_the_table_is_told_of(without_pictures):
    machines = [replace(one, inputs={**one.inputs, "seed_of_test": n}) for n in range(120) for one in some_machines()]
    page = sweep_page(machines, OBJECTIVES, SweepFacts("many", "1.2.3", ("fc",), ()))
    assert "The first 1,000 of 1,440 rows" in page


def test_a_layer_keeps_its_name_in_tables(without_pictures):
    assert "b|x&lt;y&gt;</th>" in a_report_page("b|x<y>")


def test_what_is_slower_is_not_called_faster():
    assert _compared(0.5, "faster than", "slower than") == "2 times slower than"
    assert _compared(2.0, "faster than", "slower than") == "2 times faster than"
