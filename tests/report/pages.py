"""Small pages for the tests, and what a parser finds in them."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.baselines.devices import devices
from eie_sim.origin import Origin
from eie_sim.report.comparison import run_report
from eie_sim.report.html.details import Detail
from eie_sim.report.html.report_page import report_page
from eie_sim.report.html.sweep_page import SweepFacts, sweep_page
from eie_sim.report.results_file import LayerFacts, Results
from eie_sim.report.tables import result_row
from eie_sim.sweep.columns import MACHINE
from eie_sim.sweep.select import MACHINE_AND_PRICES, Candidate

HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'&--><!--\x00\x1b$\\frac{$ \uffff"
)
"""A name that wants to be more than a name."""

OBJECTIVES = ("time_us", "energy_nj", "area_mm2")


def a_detail(name="fc", n_pe=4, seed=0, n_rows=60, n_cols=40, **machine):
    """A small layer that ran, with its schedule."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.2)
    layer = pack_codes(codes, np.linspace(0, 1, 16, dtype=np.float32), n_pe=n_pe, name=name)
    acts = rng.random(n_cols) * (rng.random(n_cols) < 0.7)
    arch = ArchConfig(n_pe=n_pe, **machine)
    return Detail(layer, simulate(layer, acts, arch, output=False, schedule=True))


def results_of(details, **more):
    """Their results, as a run gives them."""
    arch = details[0].result.arch.model_dump()
    facts = {one.layer.name: LayerFacts(one.layer.density, 0) for one in details}
    origins = {one.layer.name: Origin("given", f"drawn for {one.layer.name}") for one in details}
    return Results([result_row(one.result) for one in details], arch, "fast", origins, layers=facts, **more)


def a_report_page(*names, with_details=True, left_out="", machine_name="eie", act_queue_depth=8, **more):
    """The page of a run of small layers with these names."""
    details = [a_detail(name, seed=seed, act_queue_depth=act_queue_depth) for seed, name in enumerate(names)]
    results = results_of(details, **more)
    results = replace(results, arch={**results.arch, "name": machine_name})
    report = run_report(results, list(devices().values()), "table2-8cycle")
    return report_page(results, report, details if with_details else [], left_out)


def some_machines():
    """Candidates over three axes, whose metrics follow from them; two lie in one place."""
    found = []
    for n_pe in (16, 64, 256):
        for depth in (1, 8):
            for clock in (4e8, 8e8):
                time_us = 3e12 / n_pe / clock * (1 + 1 / depth)
                inputs = dict.fromkeys(MACHINE_AND_PRICES) | {name: getattr(ArchConfig(), name) for name in MACHINE}
                inputs |= {"order": "as it is", "calibration": "table2-8cycle", "scaling_rule": "paper"}
                inputs |= {"baseline": "none", "batch": 1, "n_pe": n_pe, "act_queue_depth": depth, "clock_hz": clock}
                values = {
                    "time_us": time_us,
                    "energy_nj": 100.0 * n_pe**0.2 * (1 + clock / 1e9),
                    "area_mm2": n_pe * 0.64,
                    "load_balance": 0.95 - n_pe / 1000 - 0.2 / depth,
                }
                found.append(Candidate({name: inputs[name] for name in MACHINE_AND_PRICES}, values, 1))
    return found


def a_sweep_page(name="tiny", workloads=("fc",)):
    """The page of a sweep of a dozen machines."""
    return sweep_page(some_machines(), OBJECTIVES, SweepFacts(name, "1.2.3", workloads, ()))


class Parsed(HTMLParser):
    """Elements with their attributes, texts of some, as a browser would begin to see them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements, self.contents, self.comments, self._open = [], {}, [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self._open:
            tag, attributes = self._open[-1]
            key = attributes.get("id", tag) if tag == "script" else tag
            self.contents[key] = self.contents.get(key, "") + data

    def handle_comment(self, data):
        self.comments.append(data)

    @property
    def tags(self):
        return Counter(tag for tag, _ in self.elements)

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def references(self):
        """Every id that an attribute refers to, and every address of another kind."""
        inside, outside = set(), set()
        for _, attributes in self.elements:
            for name, value in attributes.items():
                if name in ("href", "src", "srcset", "action", "poster", "data", "xlink:href"):
                    (inside.add(value[1:]) if value.startswith("#") else outside.add(value))
                inside.update(re.findall(r"url\(#([^)]+)\)", value or ""))
                if name in ("for", "aria-labelledby", "aria-describedby"):
                    inside.update(value.split())
        return inside, outside
