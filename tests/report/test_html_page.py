"""The pages in a browser: quiet, closed to the network, sorted, filtered, pointed at, by mouse and by keyboard."""

import json
import re
import tomllib

import numpy as np
import pytest

from eie_sim import ArchConfig
from eie_sim.report.html.heat_map import BINS
from eie_sim.sweep.select import pareto
from eie_sim.views import queue_occupancy
from tests.report.browser import Watched, axe_source, chromium
from tests.report.pages import HOSTILE, Parsed, a_detail, a_report_page, a_sweep_page, some_machines

pytestmark = pytest.mark.slow

WIDTHS = (360, 800, 1400)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The page of a run, of one with a hostile name, of one with deep queues, and of a sweep."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {
        "run": a_report_page("fc1", "fc2", "fc3", "fc10"),
        "hostile": a_report_page(HOSTILE, notes=(HOSTILE,)),
        "deep": a_report_page("fc", act_queue_depth=64),
        "sweep": a_sweep_page(),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser, files):
    """``opened("run")``: the page in the browser, which must say nothing and ask for nothing until the test ends."""
    there = []

    def of(name, **more):
        there.append((name, Watched(browser, files / f"{name}.html", **more)))
        return there[-1][1]

    yield of
    for name, watched in there:
        watched.context.close()
        assert watched.errors == []
        assert watched.requests == [(files / f"{name}.html").as_uri()]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return axe_source(tmp_path_factory.mktemp("axe"))


# Every page -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["run", "sweep"])
def test_a_page_is_as_wide_as_the_screen_and_quiet(opened, name, width, scheme):
    watched = opened(name, width=width, scheme=scheme)
    watched.open_all()
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["run", "sweep"])
def test_axe_finds_no_serious_violation(opened, axe, name, scheme):
    watched = opened(name, scheme=scheme)
    watched.open_all()
    watched.page.evaluate(axe)
    found = watched.page.evaluate("axe.run()")["violations"]
    told = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert told == []


FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']"


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_the_keyboard_reaches_everything(opened, name):
    watched = opened(name)
    page = watched.page
    # One layer is opened; closed parts hold nothing that could be reached.
    page.evaluate("document.querySelector('details.layer, details').open = true")
    page.wait_for_timeout(200)
    wanted = page.evaluate(
        f"""[...document.querySelectorAll("{FOCUSABLE}")].filter((one) => one.checkVisibility())
            .map((one, at) => {{ one.dataset.place = at; return one.type === 'radio' && !one.checked ? -1 : at; }})
            .filter((at) => at >= 0)"""
    )
    reached = []
    for _ in range(len(wanted) + 5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.place ?? ''"))
    assert reached[0] == "0"  # the link that skips to the content
    assert {int(at) for at in reached if at} == set(wanted)


def test_the_first_link_skips_to_the_content(opened):
    page = opened("run").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_colours_follow_the_system_and_the_switch(opened):
    page = opened("run", scheme="dark").page
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade)
    page.select_option("#colours", "light")
    light = page.evaluate(shade)
    page.emulate_media(color_scheme="light")
    page.select_option("#colours", "dark")
    assert page.evaluate(shade) == dark
    page.select_option("#colours", "")
    assert page.evaluate(shade) == light != dark


def test_on_paper_everything_is_open(opened):
    page = opened("run").page
    closed = "document.querySelectorAll('details:not([open])').length"
    before = page.evaluate(closed)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(closed) == 0
    assert page.locator("figure[data-drawn]").count() == 4
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before > 0


def test_a_hostile_name_does_nothing(opened):
    watched = opened("hostile")
    watched.open_all()
    assert watched.page.evaluate("window.hacked") is None
    assert "<script>window.hacked=1</script>" in watched.page.locator("details.layer > summary").text_content()


def test_a_text_is_copied_or_selected(opened):
    page = opened("run").page
    page.locator("#toml + p button").click()
    page.wait_for_function("document.querySelector('#toml + p output').textContent !== ''")
    told = page.locator("#toml + p output").text_content()
    selected = page.evaluate("getSelection().toString()")
    assert told == "copied" or selected == page.locator("#toml").input_value()


# Tables ---------------------------------------------------------------------------------------------------------------


def column(page, table, at):
    return page.locator(f"#{table} tbody tr:visible").evaluate_all(
        "(rows, at) => rows.map((row) => row.cells[at].dataset.v ?? row.cells[at].textContent)", at
    )


def test_a_table_sorts_by_numbers_both_ways(opened):
    page = opened("run").page
    button = page.locator("#compute thead button", has_text="cycles")
    at = button.evaluate("(one) => one.parentElement.cellIndex")
    as_written = [int(cell.replace(",", "")) for cell in column(page, "compute", at)]
    button.click()
    assert [int(cell.replace(",", "")) for cell in column(page, "compute", at)] == sorted(as_written)
    button.press("Enter")
    assert [int(cell.replace(",", "")) for cell in column(page, "compute", at)] == sorted(as_written, reverse=True)
    sorts = page.locator("#compute th[aria-sort]")
    assert (sorts.count(), sorts.get_attribute("aria-sort")) == (1, "descending")


def test_names_sort_as_people_count(opened):
    page = opened("run").page
    page.locator("#compute thead button").first.click()
    page.locator("#compute thead button").first.click()
    assert column(page, "compute", 0) == ["fc10", "fc3", "fc2", "fc1"]


def test_a_filter_keeps_rows_with_every_word(opened):
    page = opened("run").page
    count = page.locator("#baselines tbody tr").count()
    page.get_by_label("Every layer beside every baseline” with").fill("fc3 titan SPARSE")
    shown = page.locator("#baselines tbody tr:visible")
    assert 0 < shown.count() < count
    for told in shown.all_text_contents():
        assert "fc3" in told
        assert "Titan X" in told
        assert "sparse" in told
    output = page.locator("output[for='baselines-filter']")
    assert output.text_content() == f"{shown.count()} of {count} rows"
    page.locator("#baselines-filter").fill("")
    assert page.locator("#baselines tbody tr:visible").count() == count


def test_a_filter_finds_a_number_with_its_commas_and_without(opened):
    page = opened("run").page
    cells = page.locator("#needs tbody .number").all_text_contents()
    shown = next(cell for cell in cells if "," in cell)
    for typed in (shown, shown.replace(",", "")):
        page.locator("#needs-filter").fill(typed)
        found = page.locator("#needs tbody tr:visible").all_text_contents()
        assert 0 < len(found) < page.locator("#needs tbody tr").count()
        assert all(shown in told for told in found)


# The map of PEs over time ---------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(opened, files):
    """The page with the map of its third layer open, and the data of that map."""
    page = opened("run").page
    page.locator("details.layer").nth(2).locator("summary").first.click()
    data = json.loads(Parsed((files / "run.html").read_text(encoding="utf-8")).contents["heat-data"])
    return page, page.locator(".map").first, data["layer-2"]


def told_of(data, line, bin_):
    from base64 import b64decode

    at = line * (len(data["cycles"]) - 1) + bin_
    busy = b64decode(data["busy"])[at] / 100
    waiting = np.frombuffer(b64decode(data["waiting"]), "<u2" if data["wide"] else np.uint8)[at] / data["steps"]
    first, last = data["cycles"][bin_], data["cycles"][bin_ + 1] - 1
    return (
        f"PE {line}, {(first - 1) * data['us']:.2f} to {last * data['us']:.2f} µs (cycles {first} to {last}): "
        f"busy {100 * busy:.0f} %, {waiting:.1f} of {data['most']} activations wait"
    )


def test_pointing_at_the_map_tells_the_cell(mapped):
    page, area, data = mapped
    area.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
    box = area.locator("canvas").bounding_box()
    bins = len(data["cycles"]) - 1
    page.mouse.move(box["x"] + box["width"] * 2.5 / bins, box["y"] + box["height"] * 0.9)
    assert page.locator(".heat output").first.text_content() == told_of(data, 3, 2)


def test_the_map_tells_how_full_deep_queues_are_to_the_tenth(opened):
    page, result = opened("deep").page, a_detail("fc", act_queue_depth=64).result
    page.locator("details.layer summary").first.click()
    page.locator(".map").focus()
    told, right = page.locator(".heat output"), r"%, ([\d.]+) of 63 activations wait"
    mean = queue_occupancy(result.schedule, BINS).mean
    shown = []
    for _ in range(mean.shape[1]):
        shown.append(float(re.search(right, told.text_content())[1]))
        page.keyboard.press("ArrowRight")
    assert shown == (np.rint(10 * mean[0]) / 10).tolist()
    assert max(shown) > 10


def test_arrow_keys_move_over_the_map_and_stay_on_it(mapped):
    page, area, data = mapped
    area.focus()
    last = len(data["cycles"]) - 2
    moves = {"ArrowRight": (0, 1), "ArrowDown": (1, 1), "PageDown": (3, 1), "End": (3, last), "ArrowUp": (2, last)}
    ends = {"ArrowRight": (2, last), "Home": (2, 0), "ArrowLeft": (2, 0), "PageUp": (0, 0), "ArrowUp": (0, 0)}
    for key, cell in (*moves.items(), *ends.items()):
        page.keyboard.press(key)
        assert page.locator(".heat output").first.text_content() == told_of(data, *cell)
    assert page.locator(".heat output").first.get_attribute("aria-live") == "polite"


def test_the_map_shows_either_quantity_in_the_colours_of_the_page(mapped):
    page, area, data = mapped
    pixels = "(one) => one.toDataURL()"
    canvas = area.locator("canvas")
    busy = canvas.evaluate(pixels)
    page.locator(".heat").nth(2).get_by_label("activations that wait").check()
    waiting = canvas.evaluate(pixels)
    page.select_option("#colours", "dark")
    assert len({busy, waiting, canvas.evaluate(pixels)}) == 3
    assert page.locator(".heat .scale").first.text_content() == f"0 activations wait{data['most']}"


# The chart of a sweep -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y"), [("time_us", "energy_nj"), ("area_mm2", "load_balance"), ("load_balance", "time_us")]
)
def test_the_chart_marks_the_front_of_the_axes_chosen(opened, x, y):
    page, found = opened("sweep").page, some_machines()
    names = list(found[0].values)
    page.select_option("#axis-x", str(names.index(x)))
    page.select_option("#axis-y", str(names.index(y)))
    page.locator("#log-x").uncheck()
    assert page.locator(".chart circle.front").count() == len(pareto(found, (x, y)))
    assert page.locator(".chart circle.point").count() == len(found)


def picked(page):
    toml = page.locator("#toml").input_value()
    return ArchConfig(**tomllib.loads(toml)) if toml else None


def test_the_keyboard_picks_a_machine_to_copy(opened):
    page, found = opened("sweep").page, some_machines()
    page.locator(".chart").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    quickest = min(found, key=lambda one: one.values["time_us"])
    assert "n_pe 256, clock_hz 800,000,000, act_queue_depth 8; time, us:" in page.locator("#pareto-told").text_content()
    assert picked(page) == ArchConfig(n_pe=256, clock_hz=8e8, act_queue_depth=8)
    assert quickest.inputs["n_pe"] == 256
    assert page.locator("tr.chosen").count() == page.locator("circle.chosen").count() == 1
    page.keyboard.press("End")
    page.keyboard.press(" ")
    assert picked(page) == ArchConfig(n_pe=16, clock_hz=4e8, act_queue_depth=1)
    assert page.locator("circle.chosen").count() == 2
    page.keyboard.press(" ")
    assert page.locator("circle.chosen").count() == 1
    page.get_by_role("button", name="Pick none").click()
    assert picked(page) is None
    assert page.locator("#pareto-count").text_content() == "No machine is picked."


def test_a_click_picks_the_point_and_its_row_and_a_row_picks_its_point(opened):
    page = opened("sweep").page
    page.evaluate("document.getElementById('chart').scrollIntoView()")
    box = page.locator("circle.front").last.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    first = picked(page)
    assert first is not None
    assert page.locator("tr.chosen th, tr.chosen td").first.text_content() == str(first.n_pe)
    page.locator("tr[data-link='7']").click()
    assert page.locator("tr.chosen").count() == 2
    assert picked(page) != first
