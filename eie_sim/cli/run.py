"""``eie-sim run``: simulate the paper's nine layers, or one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from eie_sim.cli.options import (
    INPUT_PANEL,
    MACHINE_PANEL,
    OUTPUT_PANEL,
    ActDensity,
    Acts,
    Against,
    Arch,
    BatchAxis,
    Chain,
    Chunk,
    Classes,
    Compression,
    Dask,
    Density,
    EieSimulator,
    Feedback,
    Fit,
    Fix,
    InputFile,
    Inputs,
    Jobs,
    Json,
    Labels,
    Layers,
    Lowering,
    MaxVectors,
    Name,
    Output,
    Photo,
    Preset,
    Rows,
    Seed,
    Set,
    Shape,
    WeightBits,
    WeightDensity,
    Yes,
    all_vectors_or,
    option,
)  # fmt: skip

_MODEL = (
    "The packaged network that runs 256 real digits first: lenet-300-100, lenet-5 or none. Default: both without FILE "
    "and --layers."
)
_ENGINE = (
    "fast (default), reference, which models every unit and is much slower, or rtl, the hardware in SystemVerilog "
    "(fixed point only); the results are the same."
)
_OUT = "Write results.json, results.csv, a picture of the times and each layer's outputs (.npy) there."
_OF_THE_PAPER = ("calibrated", "eie-simulator")
"""Kinds of origins of which the paper's figures are: sampled to match them, or the authors' own data."""

_CSV = "Write CSV, one row a layer and input vector; - for stdout."


def run(
    file: InputFile = None,
    eie_simulator: EieSimulator = None,
    rows: Rows = None,
    name: Name = None,
    layers: Layers = None,
    chain: Chain = None,
    acts: Acts = None,
    act_density: ActDensity = None,
    weight_density: WeightDensity = None,
    model: Annotated[str | None, option(INPUT_PANEL, _MODEL, "NAME")] = None,
    seed: Seed = 0,
    fit: Fit = None,
    max_vectors: MaxVectors = None,
    yes: Yes = False,
    inputs: Inputs = None,
    photo: Photo = None,
    labels: Labels = None,
    classes: Classes = None,
    output: Output = None,
    against: Against = None,
    density: Density = None,
    weight_bits: WeightBits = None,
    compression: Compression = None,
    fix: Fix = None,
    shape: Shape = None,
    lowering: Lowering = None,
    batch_axis: BatchAxis = None,
    feedback: Feedback = None,
    jobs: Jobs = None,
    chunk: Chunk = None,
    dask: Dask = None,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    engine: Annotated[str, option(MACHINE_PANEL, _ENGINE, "NAME")] = "fast",
    as_json: Json = False,
    csv: Annotated[Path | None, option(OUTPUT_PANEL, _CSV, "FILE")] = None,
    out: Annotated[Path | None, option(OUTPUT_PANEL, _OUT, "DIR")] = None,
) -> None:
    """Simulate layers or a whole network, cycle for cycle: of a file, or trained networks and the paper's layers."""
    if as_json and str(csv) == "-":
        raise ValueError("--json and --csv -: both want stdout; give --csv a file")
    from eie_sim.cli.console import Printer
    from eie_sim.cli.digits import NONE, answer, chosen_models, print_answers
    from eie_sim.cli.inputs import asked_for
    from eie_sim.cli.machine import chosen_machine
    from eie_sim.cli.network_options import NetworkOptions, asked_network, network_machine
    from eie_sim.cli.result_table import print_results
    from eie_sim.cli.running import simulate_job
    from eie_sim.cli.saving import check_targets, save
    from eie_sim.engines import warm_up
    from eie_sim.engines.base import engine_named

    printer = Printer()
    whole = NetworkOptions(
        inputs, photo, density, weight_bits, compression, fix, shape, lowering, batch_axis, feedback
    )  # fmt: skip
    of_layers = {
        "--eie-simulator": eie_simulator, "--rows": rows, "--name": name, "--layers": layers, "--chain": chain,
        "--acts": acts, "--act-density": act_density, "--weight-density": weight_density, "--model": model,
        "--fit": fit, "--max-vectors": max_vectors, "--yes": yes,
    }  # fmt: skip
    if file is not None and whole.are_of_a_network(file, of_layers):
        from eie_sim.cli.network_run import Judged, Spread, run_whole

        asked = asked_network(file, whole, printer)
        machine = network_machine(asked.model, preset, arch, settings, printer)
        judged, spread = Judged(labels, classes, output, against), Spread(jobs, chunk, dask)
        run_whole(asked, machine, judged, spread, engine, as_json, csv, out, printer)
        return
    whole.refuse_without_network(
        {
            "--labels": labels,
            "--classes": classes,
            "--output": output,
            "--against": against,
            "--jobs": jobs,
            "--chunk": chunk,
            "--dask": dask,
        }
    )
    machine = chosen_machine(preset, arch, settings, printer.note)
    engine_named(engine)  # before layers are read and repacked
    own = file is not None or eie_simulator is not None
    if own and model is not None:
        raise ValueError("--model: runs without a file; give one or the other")
    models = chosen_models(NONE if model is None and (own or layers is not None) else model, engine, printer)
    check_targets(csv, out)
    job = asked_for(
        file, eie_simulator, machine, printer.note, rows=rows, name=name, layers=layers, chain=chain, acts=acts,
        act_density=act_density, weight_density=weight_density, seed=seed, fit=fit,
        max_vectors=all_vectors_or(max_vectors, yes),
    )  # fmt: skip
    if engine == "fast" and not own and layers is None:
        warm_up.start()
    on_stdout = as_json or str(csv) == "-"
    answers = answer(models, machine, engine, printer) if models else None
    if answers is not None and not on_stdout:
        print_answers(answers, printer)
    results = simulate_job(job, machine, engine, printer, keep_outputs=out is not None)
    if answers is not None:
        results = replace(results, classifications=answers.rows)
    save(results, as_json, csv, out, printer, answers)
    if not on_stdout:
        remarks = list(job.remarks)
        # A layer may be called as a published one without being it.
        named = {str(row["layer"]) for row in results.rows if row["paper_load_balance"] is not None}
        if others := sorted(name for name in named if results.origins[name].kind not in _OF_THE_PAPER):
            remarks.append(
                f"{', '.join(others)}: the paper's figures are of the authors' weights and inputs, not of these."
            )
        print_results(results, machine, remarks, printer)
