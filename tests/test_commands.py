"""One case of each command of both programs, for the quick tier: it ends well and makes what it was asked for."""

import numpy as np
import pytest
import typer

from compressor.cli.app import app as eie_compress
from eie_sim.cli.app import app as eie_sim
from tests.command_line import call
from tests.extras import needs
from tests.sweep import tiny

pytestmark = pytest.mark.quick

APPS = {"eie-sim": eie_sim, "eie-compress": eie_compress}

CASES = {
    "eie-sim run": "one.eie --out run",
    "eie-sim info": "one.eie",
    "eie-sim compare": "results.json results.json",
    "eie-sim measure": "one.eie --quick --libraries numpy --samples 2 --limit 0.2 --out cpu.json",
    "eie-sim report": "results.json --out report",
    "eie-sim plot": "one.eie --kind balance --out pictures",
    "eie-sim trace": "one.eie --out trace.json.gz",
    "eie-sim presets": "",
    "eie-sim rtl export": "one.eie --set arithmetic=fixed16 --out hardware",
    "eie-sim sweep run": "space.toml --store again.sqlite --jobs 1",
    "eie-sim sweep query": "space.sqlite",
    "eie-sim sweep best": "space.sqlite",
    "eie-sim sweep pareto": "space.sqlite",
    "eie-sim sweep plot": "space.sqlite --out curves",
    "eie-sim sweep html": "space.sqlite --out page.html",
    "eie-sim sweep search": "space.toml --store search.sqlite --trials 2 --jobs 1",
    "eie-sim sweep export": "space.sqlite --out rows.csv",
    "eie-compress compress": "network.npz -o again.dcz --density 0.5",
    "eie-compress report": "model.dcz",
    "eie-compress info": "model.dcz",
    "eie-compress unpack": "model.dcz -o weights.npz",
    "eie-compress train": "lenet-300-100 -o trained.dcz --data images --density 0.5 --epochs 1 --rounds 1"
    " --retrain-epochs 1 --tune-epochs 1",
    "eie-compress demo": "unknown -o demo",
}
"""The words after each command, in a folder that holds the files they name."""

REFUSED = {"eie-compress demo": "model: 'unknown', but it must be one of "}
"""Commands whose case is an error, for want of a short run: `demo` trains for minutes (cli_compress/test_demo.py)."""

NEEDS = {
    "eie-sim sweep search": [("optuna", "search")],
    "eie-compress train": [("torch", "train")],
    "eie-compress demo": [("torch", "train"), ("mlxtend", "data")],
}


def commands_of(command, name):
    """Every command line under `command` that does something, without its arguments."""
    if not hasattr(command, "commands"):
        return {name}
    return set().union(*(commands_of(inner, f"{name} {word}") for word, inner in command.commands.items()))


def run(command, words):
    program, *path = command.split()
    return call(APPS[program], *path, *words.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the cases begin with."""
    folder = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(0)
    tiny.a_file(folder / "one.eie")
    tiny.toml(folder / "space.toml", workload="one.eie", n_pe=[2, 4], act_queue_depth=[1, 8])
    np.savez(folder / "network.npz", **{"fc.weight": rng.normal(size=(8, 9)).astype(np.float32)})
    (folder / "images").mkdir()
    for part, count in (("train", 200), ("t10k", 50)):
        labels, images = rng.integers(0, 2, count), rng.integers(0, 255, (count, 28, 28))
        for array, name in ((images, "images-idx3"), (labels, "labels-idx1")):
            header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
            (folder / "images" / f"{part}-{name}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "results.json").write_text(run("eie-sim run", "one.eie --json").stdout)
        assert run("eie-sim sweep run", "space.toml --jobs 1").exit_code == 0
        assert run("eie-compress compress", "network.npz -o model.dcz --density 0.5").exit_code == 0
    return folder


@pytest.mark.parametrize("command", CASES)
def test_a_case_of_each_command_ends_well(command, folder, monkeypatch):
    for library, extra in NEEDS.get(command, ()):
        needs(library, extra)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    words = CASES[command]
    result = run(command, words)
    if command in REFUSED:
        assert result.exit_code == 2
        assert REFUSED[command] in result.stderr
        return
    assert result.exit_code == 0, result.stderr
    _, option, made = words.replace(" -o ", " --out ").partition(" --out ")
    if option:
        assert (folder / made.split()[0]).exists()
    else:
        assert result.stdout


def test_every_command_has_a_case():
    commands = (commands_of(typer.main.get_command(app), program) for program, app in APPS.items())
    assert set().union(*commands) == set(CASES)
