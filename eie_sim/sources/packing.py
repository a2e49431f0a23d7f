"""Layers of files made to fit a machine, and their inputs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.importers.named_arrays import assumed_functions
from compressor.types.model_checks import OTHER_FUNCTION
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.engines.chain import break_in_chain
from eie_sim.networks.generator import draw_acts
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.origin import Origin
from eie_sim.sources.acts import read_acts
from eie_sim.sources.job import Job, Note, check_n_pe, notes_of
from eie_sim.sources.options import Cure, LoadOptions, OptionError, PackingError
from eie_sim.workload import Workload

CHAINED = "Each layer's output, through its activation function, is the next one's input."


def check_inputs(options: LoadOptions) -> None:
    """Refuse options about inputs that contradict each other.

    Raises
    ------
    OptionError
        If inputs are both given and drawn.
    """
    if options.acts is not None and options.act_density is not None:
        raise OptionError("act_density", "is for drawn inputs", Cure("acts", "gives them"))
    if options.n_vectors is not None:
        whole_number("n_vectors", options.n_vectors, 1)
    if options.acts is not None and options.n_vectors is not None:
        raise OptionError("n_vectors", "is for drawn inputs", Cure("acts", "gives them"))


def with_inputs(layer: PackedLayer, origin: Origin, options: LoadOptions, sampled_as: str | None = None) -> Workload:
    """`layer` with the inputs that `options` ask for: given, or drawn from the seed and the layer's own name.

    Parameters
    ----------
    layer : PackedLayer
    origin : Origin
        Of the weights.
    options : LoadOptions
    sampled_as : str or None
        Name that inputs are drawn by, where the layer's is only what a user calls it: renaming changes no number.

    Raises
    ------
    ValueError
        If given inputs do not fit the layer.
    OSError
        If a file of inputs cannot be read.
    """
    if options.acts is None:
        acts = drawn_inputs(layer, options, sampled_as or layer.name)
        density = options.density_of_inputs
        return Workload(layer, acts, replace(origin, inputs="drawn", seed=options.seed, act_density=density))
    if isinstance(options.acts, Path):
        acts = read_acts(options.acts, layer)
        return Workload(layer, acts, replace(origin, inputs="file", inputs_name=options.acts.name))
    given = Workload(layer, np.asarray(options.acts), replace(origin, inputs="given"))
    if given.is_batch and not len(given.acts):
        raise OptionError("acts", f"shape {given.acts.shape}, but there must be an input vector")
    return given


def drawn_inputs(layer: PackedLayer, options: LoadOptions, sampled_as: str) -> NDArray[np.float32]:
    """Inputs from the seed; the first vectors are the same whatever their number."""
    seed = SeedSequence([options.seed, int.from_bytes(sampled_as.encode())])
    statistics = LayerStatistics(1.0, options.density_of_inputs)
    n_vectors = 1 if options.n_vectors is None else options.n_vectors
    acts = draw_acts(layer.n_cols, statistics, n_vectors, seed)
    return acts[0] if options.n_vectors is None else acts


def fitted(layer: PackedLayer, arch: ArchConfig | None, origin: Origin) -> tuple[PackedLayer, Origin]:
    """`layer` packed for the machine, and its origin, which says so."""
    if arch is None or (layer.n_pe, layer.index_bits) == (arch.n_pe, arch.index_bits):
        return layer, origin
    repacked = layer.repack(arch.n_pe, arch.index_bits)
    return repacked, replace(origin, repacked_from=(layer.n_pe, layer.index_bits))


def check_packing(layers: Sequence[PackedLayer], arch: ArchConfig | None) -> None:
    """Refuse layers that cannot be packed for the machine, before anything is said or done.

    Raises
    ------
    PackingError
        If their codes have other bits than the machine's.
    ValueError
        If the machine has too many PEs for one of them.
    """
    if arch is None:
        return
    bits = arch.weight_bits
    for layer in layers:
        if layer.weight_bits != bits:
            problem = f"layer {layer.name!r} has codes of {layer.weight_bits} bits, but the machine takes {bits}"
            raise PackingError(problem, Cure(f"weight_bits={layer.weight_bits}", "changes the machine"))
        if layer.n_pe != arch.n_pe:
            check_n_pe(layer.name, layer.n_cols, arch.n_pe)


def one_layer_job(
    layer: PackedLayer,
    origin: Origin,
    options: LoadOptions,
    arch: ArchConfig | None,
    sampled_as: str | None = None,
    acts: NDArray[np.float32] | None = None,
) -> Job:
    """A job of one layer with the inputs that `options` ask for, or with `acts`, which came with it."""
    check_inputs(options)
    workload = Workload(layer, acts, origin) if acts is not None else with_inputs(layer, origin, options, sampled_as)
    packed, origin = fitted(layer, arch, workload.origin)
    ready = replace(workload, layer=packed, origin=origin)
    return Job((layer.name,), (lambda: ready,), notes=tuple(notes_of(packed, origin)))


def model_job(model: PackedModel, origin: Origin, options: LoadOptions, arch: ArchConfig | None) -> Job:
    """A job of the layers of a model that `options` pick: one, a chain, or each with inputs of its own."""
    check_inputs(options)
    picked = options.picked([layer.name for layer in model.layers])
    functions = {layer.name: function for layer, function in zip(model.layers, model.activations, strict=True)}
    layers = [model[name] for name in picked]
    check_packing(layers, arch)
    if options.name is not None and len(layers) > 1:
        raise OptionError("name", "names one layer, but there are several", Cure("layers", "picks one"))
    if len(layers) == 1:
        (layer,) = layers
        named = layer if options.name is None else replace(layer, name=options.name)
        job = one_layer_job(named, origin, options, arch, sampled_as=layer.name)
        return replace(job, remarks=(*job.remarks, *_ends_before(model, layer.name, functions[layer.name])))
    why = "each is to run alone" if options.chain is False else _why_no_chain(model, layers, options)
    if not why:
        job = chain_job(layers, [functions[name] for name in picked], origin, options, arch)
        assumed = [name for name in assumed_functions(model.provenance) if name in picked[:-1]]
        said = [Note(f"relu is assumed after {listed(assumed)}, for the file does not say")] if assumed else []
        remarks = (*job.remarks, *_ends_before(model, picked[-1], functions[picked[-1]]))
        if model.network is not None and not model.network.chains(picked):
            other = model.network.between or "these are not neighbours in it"
            said.append(Note(f"its graph says otherwise ({other}): what is between the layers is left out, as asked"))
            remarks += ("This chain is not that of the graph: what is between the layers there is left out.",)
        return replace(job, notes=(*said, *job.notes), remarks=remarks)
    if options.chain_names is not None:
        raise OptionError("chain", why)
    # Where a graph says that they are not a chain, to call them one is no cure.
    cure = _cure_of_a_set(layers) if model.network is None else None
    if options.acts is not None:
        raise OptionError("acts", f"the layers are not a chain ({why})", Cure("layers", "picks one"))
    notes = () if options.chain is False else (Note(f"not a chain ({why}): each layer gets inputs of its own", cure),)

    def alone(layer: PackedLayer) -> Workload:
        workload = with_inputs(layer, origin, options)
        packed, repacked = fitted(layer, arch, workload.origin)
        return replace(workload, layer=packed, origin=repacked)

    return Job(tuple(picked), tuple(partial(alone, layer) for layer in layers), notes=notes)


def listed(names: Sequence[str], comma: str = ", ") -> str:
    """Names in one line; of many, the first and the last."""
    return comma.join(names) if len(names) <= _MOST_NAMES else comma.join([*names[: _MOST_NAMES - 1], "...", names[-1]])


_MOST_NAMES = 6


def _cure_of_a_set(layers: Sequence[PackedLayer]) -> Cure:
    """What makes a chain of matrices of which nothing says in which order they run."""
    names = [layer.name for layer in layers]
    if break_in_chain(layers) is None and len(names) <= _MOST_NAMES:
        return Cure("chain", f"{','.join(names)} runs them one after another")
    return Cure("chain", "A,B,... names layers that run one after another")


def _why_no_chain(model: PackedModel, layers: Sequence[PackedLayer], options: LoadOptions) -> str:
    """Why layers do not run one after another; empty where they do."""
    names = [layer.name for layer in layers]
    if options.chain_names is None:
        # The graph decides, or the caller; what the file is by its nature holds for neighbours in it.
        order = [layer.name for layer in model.layers]
        if not model.chained and model.network is None:
            return "the file is a set of matrices, and nothing says in which order they run"
        if model.network is not None and not model.network.chains(names):
            return model.network.between or "they are not neighbours in its graph"
        first = order.index(names[0])
        if order[first : first + len(names)] != names:
            return "they are not neighbours in the file"
    broken = break_in_chain(layers)
    if broken is not None:
        before, after = broken
        return f"{after.name} has {after.n_cols} inputs, {before.name} before it {before.n_rows} outputs"
    functions = {layer.name: function for layer, function in zip(model.layers, model.activations, strict=True)}
    odd = [name for name in names[:-1] if functions[name] == OTHER_FUNCTION]
    if not odd:
        return ""
    uses = [] if model.network is None else [use for use in model.network.uses if odd[0] in use.tensors]
    follows = ", ".join(f"{name!r}" for use in uses for name in use.feeds) or "what follows in its graph"
    return f"{follows} after {odd[0]} is not one of the machine's functions, relu, sigmoid and tanh"


def _ends_before(model: PackedModel, last: str, function: str) -> tuple[str, ...]:
    """What a reader should know where the graph goes on behind a chain in a way that the machine does not."""
    if function != OTHER_FUNCTION:
        return ()
    uses = [] if model.network is None else [use for use in model.network.uses if last in use.tensors]
    what = " and ".join(f"{name!r}" for use in uses for name in use.feeds) or "what follows in its graph"
    return (f"The outputs of {last} are those before {what}.",)


def chain_job(
    layers: Sequence[PackedLayer],
    activations: Sequence[str],
    origin: Origin,
    options: LoadOptions,
    arch: ArchConfig | None,
    acts: NDArray[np.float32] | None = None,
) -> Job:
    """A job of layers one after another, with the inputs of the first that `options` ask for, or `acts`."""
    check_packing(layers, arch)
    first = Workload(layers[0], acts, origin) if acts is not None else with_inputs(layers[0], origin, options)
    notes = notes_of(layers[0], first.origin)
    packed, origins = [], []
    for layer in layers:
        ready, of_layer = fitted(layer, arch, origin)
        packed.append(ready)
        origins.append(of_layer)
        notes += notes_of(ready, of_layer)
    # The first layer's origin says where the inputs of the chain come from.
    origins[0] = replace(first.origin, repacked_from=origins[0].repacked_from)
    model = PackedModel(tuple(packed), tuple(activations))
    workload = replace(first, layer=packed[0])
    names = tuple(layer.name for layer in packed)
    return Job(names, (lambda: workload,), model, tuple(origins), tuple(notes), (CHAINED,))
