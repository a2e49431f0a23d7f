"""What a command line says of a whole network: the model, its inputs, the machine, and how it is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.console.graph_inputs import batch_axes
from eie_sim.cli.console import Printer

if TYPE_CHECKING:
    from compressor.types.coded import CompressedModel
    from compressor.types.network import Network
    from compressor.types.packed_model import PackedModel
    from eie_sim.arch import ArchConfig
    from eie_sim.network import NetworkPlan
    from eie_sim.sources import Job

WHOLE = (".onnx", ".net")
"""Ends of the names of files that only run as whole networks."""


@dataclass(frozen=True)
class NetworkOptions:
    """The options of a whole network, as typed; None where one is not given. See `eie_sim.cli.options`."""

    inputs: Path | None = None
    photo: Path | None = None
    density: str | None = None
    weight_bits: str | None = None
    compression: Path | None = None
    fix: list[str] | None = None
    shape: list[str] | None = None
    lowering: str | None = None
    batch_axis: list[str] | None = None
    feedback: list[str] | None = None

    @property
    def given(self) -> list[str]:
        """Options that are given, as the user types them."""
        names = [one.name for one in fields(self) if getattr(self, one.name) not in (None, [])]
        return [f"--{name.replace('_', '-')}" for name in names]

    def are_of_a_network(self, file: str | None, of_layers: Mapping[str, object]) -> bool:
        """Whether a command line asks for a whole network, and not for layers.

        Parameters
        ----------
        file : str or None
        of_layers : mapping of str to object
            Options of layers, as typed, and what is given for each.

        Raises
        ------
        ValueError
            If options of both are given.
        """
        is_whole = file is not None and Path(file).suffix.lower() in WHOLE
        if file is None or not (is_whole or self.inputs is not None or self.photo is not None):
            return False
        for option, value in of_layers.items():
            if value is not None and value is not False and value != []:
                raise ValueError(f"{option}: is for layers, but {file} runs as a whole network")
        return True

    def refuse_without_network(self, others: Mapping[str, object] | None = None) -> None:
        """Refuse the options of networks, and `others`, where layers run.

        Raises
        ------
        ValueError
            If one is given.
        """
        given = self.given + [option for option, value in (others or {}).items() if value is not None]
        if given:
            raise ValueError(f"{given[0]}: is for a whole network: a FILE of one, with --inputs or --photo")


@dataclass(frozen=True, eq=False)
class AskedNetwork:
    """A network that a command line asks for, with its inputs.

    Attributes
    ----------
    name : str
        Of the file, without its folder.
    model : CompressedModel or PackedModel
    inputs : dict of str to ndarray, or ndarray
    uncompressed : Path or None
        The ONNX file that was compressed on the way.
    options : NetworkOptions
    """

    name: str
    model: "CompressedModel | PackedModel"
    inputs: Any
    uncompressed: Path | None
    options: NetworkOptions

    @property
    def run_options(self) -> dict[str, Any]:
        """``batch_axis`` and ``feedback``, as `eie_sim.run_network` takes them."""
        from compressor.console.graph_inputs import pairs

        feedback = pairs("--feedback", self.options.feedback)
        return {"batch_axis": batch_axes(self.options.batch_axis), "feedback": feedback}

    def count(self, plan: "NetworkPlan") -> int:
        """Inferences that the inputs are.

        Raises
        ------
        ValueError
            If they are none, or do not fit the network.
        """
        from compressor.samples import Samples

        options = self.run_options
        found = len(Samples(plan, self.inputs, options["batch_axis"], options["feedback"]))
        if not found:
            raise ValueError(f"{self.options.inputs}: holds no sample, but a run needs at least one")
        return found

    def axis_notes(self, plan: "NetworkPlan") -> list[str]:
        """What to say of inputs whose samples may be along another axis than the one that is cut."""
        import numpy as np

        axes = batch_axes(self.options.batch_axis)
        notes = []
        for end in plan.inputs:
            array = self.inputs.get(end.name) if isinstance(self.inputs, dict) else self.inputs
            sizes = end.sizes or ()
            if array is None or end.name in axes or len(sizes) != np.ndim(array) or not isinstance(sizes[0], int):
                continue
            open_axes = [at for at, size in enumerate(sizes) if isinstance(size, str) and np.shape(array)[at] > 1]
            if open_axes:
                at, size = open_axes[0], np.shape(array)[open_axes[0]]
                notes.append(
                    f"{end.name}: axis 0 has a fixed size, so that all {size} along axis {at} are one inference; "
                    f"--batch-axis {end.name}={at} makes an inference of each"
                )
        return notes

    @property
    def fixed(self) -> "dict[str, str]":
        """Values of ``--fix``."""
        from compressor.console.graph_inputs import graph_inputs

        return graph_inputs(self.options.fix, None)[0]

    @property
    def shapes(self) -> "dict[str, tuple[int, ...]]":
        """Sizes of ``--shape``."""
        from compressor.console.graph_inputs import graph_inputs

        return graph_inputs(None, self.options.shape)[1]

    def plan(self, machine: "ArchConfig") -> "NetworkPlan":
        """The network made ready for a machine."""
        from compressor.importers.onnx_branches import numbers_in
        from eie_sim.network import plan_network

        # Of an ONNX file, they were fixed when it was read.
        fixed = {} if self.uncompressed is not None else self.fixed
        values = {name: numbers_in(text) for name, text in fixed.items()}
        return plan_network(self.model, machine, lowering=self.options.lowering or "im2col", fix=values)


def asked_network(file: str, options: NetworkOptions, printer: Printer) -> AskedNetwork:
    """Read a network and its inputs; an ONNX file is compressed on the way.

    Raises
    ------
    ValueError, OSError, ImportError
        If something cannot be read, or options do not fit the file.
    """
    from eie_sim.sources.network_file import network_inputs, read_network

    path = Path(file)
    if options.lowering not in (None, "im2col", "winograd"):
        raise ValueError(f"--lowering: {options.lowering!r}, but it must be im2col or winograd")
    model: CompressedModel | PackedModel
    if path.suffix.lower() == ".onnx":
        model, original = _compressed(path, options, printer), path
    else:
        of_onnx: dict[str, object] = {"--density": options.density, "--weight-bits": options.weight_bits}
        of_onnx |= {"--compression": options.compression, "--shape": options.shape}
        for option, value in of_onnx.items():
            if value not in (None, []):
                raise ValueError(f"{option}: is for ONNX files, which are compressed on the way; {file} is compressed")
        model, original = read_network(file), None
        _check_inputs(path, options, model.network)
    return AskedNetwork(path.name, model, network_inputs(model, options.inputs, options.photo), original, options)


def network_machine(
    model: "CompressedModel | PackedModel",
    preset: str | None,
    arch: Path | None,
    settings: Sequence[str] | None,
    printer: Printer,
) -> "ArchConfig":
    """The machine of a command line, with the widths of a network where the command line does not say them."""
    from compressor.types.coded import CompressedModel
    from compressor.types.packed_format import weight_bits_of
    from eie_sim.cli.machine import chosen_machine

    machine = chosen_machine(preset, arch, settings, printer.note)
    if isinstance(model, CompressedModel):
        widths = {"weight_bits": max(weight_bits_of(tensor.codebook) for tensor in model.tensors)}
    else:
        widths = {name: max(getattr(layer, name) for layer in model.layers) for name in ("weight_bits", "index_bits")}
    chosen = {setting.partition("=")[0].strip() for setting in settings or ()}
    changes = {
        name: width
        for name, width in widths.items()
        if arch is None and name not in chosen and width != getattr(machine, name)
    }
    if not changes:
        return machine
    said = ", ".join(f"{name}={width}" for name, width in changes.items())
    printer.note(f"the machine takes {said}, the widest of the network; --set chooses others")
    return machine.replace(name=f"{machine.name}, {said}", **changes)


def product_job(
    asked: AskedNetwork, machine: "ArchConfig", node: str | None, product: int | None, sample: int | None
) -> "tuple[Job, ArchConfig]":
    """One product of a network as a job of one layer, and the machine as its node uses it.

    Raises
    ------
    ValueError
        If there is no such node, product or inference.
    """
    from functools import partial

    import numpy as np

    from eie_sim.fixed_point import quantise
    from eie_sim.network import record_products
    from eie_sim.origin import Origin
    from eie_sim.sources import Job
    from eie_sim.workload import Workload

    plan = asked.plan(machine)
    if node is None or node not in plan.nodes:
        what = "must be given" if node is None else f"{node!r}"
        raise ValueError(f"--node: {what}; the network has {', '.join(plan.nodes)}")
    at = left = product or 0
    calls = record_products(plan, asked.inputs, [node], sample=sample or 0, **asked.run_options)[node]
    for call in calls:
        if left < len(call.vectors):
            layer, arch = plan.nodes[node].matrices[call.matrix], plan.arch_of(node)
            acts = call.vectors.block(left, left + 1)[0]
            if arch.number_bits is not None and arch.act_frac_bits is not None:  # before float32 rounds them otherwise
                acts = np.ldexp(quantise(acts, arch.number_bits, arch.act_frac_bits), -arch.act_frac_bits)
            origin = Origin("file", f"{asked.name}, product {at} of {node}, inference {sample or 0}")
            return Job((layer.name,), (partial(Workload, layer, acts, origin),)), arch
        left -= len(call.vectors)
    raise ValueError(f"--product: {at}, but {node} has the products 0 to {at - left - 1} in an inference")


def product_of_network(
    file: str,
    options: NetworkOptions,
    which: tuple[str | None, int | None, int | None],
    machine_options: tuple[str | None, Path | None, Sequence[str] | None],
    printer: Printer,
) -> "tuple[Job, ArchConfig]":
    """As `product_job`, of what a command line says: node, product and inference; preset, file and settings."""
    node, product, sample = which
    asked = asked_network(file, options, printer)
    return product_job(asked, network_machine(asked.model, *machine_options, printer), node, product, sample)


def _compressed(path: Path, options: NetworkOptions, printer: Printer) -> "CompressedModel":
    from compressor.cli.compress import compressed
    from compressor.cli.settings import settings_of
    from compressor.cli.sources import read_dense

    given = settings_of({"density": options.density, "weight_bits": options.weight_bits}, options.compression)
    network = given.with_activations(read_dense(path, given.keep, given.take, options.fix, options.shape))
    _check_inputs(path, options, network.network)
    given.check_pruning()
    return compressed(network, given, printer)


def _check_inputs(file: Path, options: NetworkOptions, network: "Network | None") -> None:
    """Raise a ValueError where no inputs are given, that says what the network takes."""
    from compressor.importers.onnx_file import parsed_model

    if network is None or options.inputs is not None or options.photo is not None:
        return
    graph = parsed_model(network.onnx).graph
    weights = {one.name for one in graph.initializer}
    shapes = {
        one.name: "x".join(str(size.dim_value or size.dim_param or "?") for size in one.type.tensor_type.shape.dim)
        for one in graph.input
        if one.name not in weights
    }
    takes = ", ".join(f"{name} ({shape or 'a number'})" for name, shape in shapes.items())
    raise ValueError(f"--inputs: must be given, or --photo: {file} takes {takes}")
