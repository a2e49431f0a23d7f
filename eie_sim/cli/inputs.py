"""What a command line asks to simulate, as workloads: the published layers, or those of a file or a folder."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from compressor.importers.eie_simulator import read_eie_simulator
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim import networks
from eie_sim.acts_file import read_acts
from eie_sim.arch import ArchConfig
from eie_sim.networks.generator import draw_acts
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.workload import Workload, calibrated_layer

MAX_POINTERS = 2**28
"""Most pointers of a layer that is drawn or repacked: 1 GiB of them, 64,000 PEs for a layer of 4,096 inputs."""

_COUNTERS = 64  # what a PE takes beside its pointers, in pointers


@dataclass(frozen=True)
class Request:
    """The options of ``eie-sim run`` that say what to simulate; None: not given."""

    file: Path | None = None
    eie_simulator: Path | None = None
    rows: int | None = None
    name: str | None = None
    layers: str | None = None
    acts: Path | None = None
    act_density: float | None = None
    weight_density: float | None = None
    seed: int = 0
    fit: str | None = None


@dataclass(frozen=True)
class Plan:
    """What will be simulated.

    Attributes
    ----------
    names : sequence of str
        Of the layers, for the progress bar.
    workloads : iterator of Workload
        Made one by one, when asked for; for a chain, the first layer alone.
    chain : PackedModel or None
        The layers when each one's output is the next one's input.
    remarks : sequence of str
        What a reader of the table should know.
    """

    names: Sequence[str]
    workloads: Iterator[Workload]
    chain: PackedModel | None = None
    remarks: Sequence[str] = ()


Say = Callable[[str], None]


@dataclass
class Planner:
    """Makes the plan of one request.

    Parameters
    ----------
    request : Request
    arch : ArchConfig
    say : function of a str
        Told what a user should know at once: that a layer was repacked, that inputs were drawn.
    """

    request: Request
    arch: ArchConfig
    say: Say
    _readers: dict[str, Callable[[Path], Plan]] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            ".eie": self._packed_file,
            ".dcz": self._compressed_file,
            ".csv": self._topology,
            ".mtx": self._matrix_market,
        }

    def plan(self) -> Plan:
        """The plan.

        Raises
        ------
        ValueError
            When options do not go together, or a file is malformed.
        OSError
            When a file cannot be read.
        """
        file, folder = self.request.file, self.request.eie_simulator
        if file is not None and folder is not None:
            raise ValueError("--eie-simulator: give a file or a folder, not both")
        if folder is not None:
            self._refuse("with --eie-simulator", "layers", "fit", "weight_density")
            return self._eie_simulator(folder)
        if file is None:
            self._refuse("without a file", "rows", "name", "acts", "act_density", "weight_density")
            return self._published()
        if file.is_dir():
            told = (
                f"eie-sim report {file} reads the results in it"
                if (file / "results.json").is_file()
                else f"give --eie-simulator {file} for data of the EIE simulator"
            )
            raise ValueError(f"{file}: is a folder; {told}")
        reader = self._readers.get(file.suffix.lower())
        if reader is None and not file.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
        if reader is None:
            raise ValueError(
                f"{file}: its name ends in {file.suffix!r}, but it must be one of {', '.join(self._readers)}; "
                "eie-compress makes the first two of a network"
            )
        return reader(file)

    def _refuse(self, where: str, *options: str) -> None:
        for option in options:
            if getattr(self.request, option) is not None:
                raise ValueError(f"--{option.replace('_', '-')}: means nothing {where}")

    def _picked(self, names: Sequence[str]) -> list[str]:
        """The names of ``--layers`` in the order of `names`; all of them without it."""
        if self.request.layers is None:
            return list(names)
        wanted = [name.strip() for name in self.request.layers.split(",") if name.strip()]
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            raise ValueError(f"--layers: {', '.join(unknown)!r}, but the layers are {', '.join(names)}")
        return [name for name in names if name in wanted]

    # The nine published layers ----------------------------------------------------------------------------------------

    def _published(self) -> Plan:
        names = self._picked(list(networks.published_layers()))
        fit = self.request.fit or networks.DEFAULT_FIT
        if fit not in networks.FITS:
            raise ValueError(f"--fit: {fit!r}, but it must be one of {', '.join(networks.FITS)}")
        for name in names:
            self._check_n_pe(name, networks.published_layers()[name].inputs)
        seed, arch = self.request.seed, self.arch
        drawn = (calibrated_layer(name, seed, arch.n_pe, arch.index_bits, fit) for name in names)
        remark = (
            f"Layers drawn with the statistics of the published ones (fit {fit}, seed {seed}); the authors' networks "
            "are not public. The cycles of one draw vary by 0.2 to 1.9 %."
        )
        return Plan(names, drawn, remarks=(remark,))

    # Files ------------------------------------------------------------------------------------------------------------

    def _packed_file(self, file: Path) -> Plan:
        from compressor.storage.packed_file import load_model

        self._refuse("with an .eie file", "rows", "fit", "weight_density")
        return self._packed_model(load_model(file), file)

    def _compressed_file(self, file: Path) -> Plan:
        from compressor.storage.coded_file import load_compressed

        self._refuse("with a .dcz file", "rows", "fit", "weight_density")
        model = load_compressed(file)
        host = [tensor.name for tensor in model.tensors if tensor.kind == "conv"]
        matrices = [tensor for tensor in model.tensors if tensor.kind != "conv"]
        if not matrices:
            raise ValueError(f"{file}: holds convolutions alone, and the machine runs matrices")
        if host:
            self.say(f"{', '.join(host)}: convolutions, which the machine does not run, are left out")
        for tensor in matrices:
            self._check_n_pe(tensor.name, tensor.shape[1])
        names = [tensor.name for tensor in matrices]
        return self._packed_model(model.select(*names).pack(self.arch.n_pe, self.arch.index_bits), file)

    def _packed_model(self, model: PackedModel, file: Path) -> Plan:
        picked = self._picked([layer.name for layer in model.layers])
        pairs = [p for p in zip(model.layers, model.activations, strict=True) if p[0].name in picked]
        layers = [self._named(layer, alone=len(pairs) == 1) for layer, _ in pairs]
        self._check_packing(layers)
        if len(layers) == 1:
            return self._single(layers[0], file.name)
        return self._several(layers, [activation for _, activation in pairs], file.name)

    def _matrix_market(self, file: Path) -> Plan:
        from compressor.importers.matrix_market import read_matrix_market

        self._refuse("with an .mtx file", "rows", "layers", "fit", "weight_density")
        arch = self.arch
        layer = read_matrix_market(
            file, arch.n_pe, arch.index_bits, arch.weight_bits, seed=self.request.seed, name=self.request.name
        )
        return self._single(layer, file.name)

    def _topology(self, file: Path) -> Plan:
        from eie_sim.topology import read_topology, topology_workloads

        self._refuse("with a topology", "rows", "name", "acts", "fit")
        layers = read_topology(file)
        picked = self._picked([layer.name for layer in layers])
        for layer in layers:
            if layer.name in picked:
                self._check_n_pe(layer.name, layer.n_inputs)
        seed, density = self.request.seed, self._act_density
        self.say(f"{file.name}: has shapes only; weights and inputs drawn with seed {seed}, {_active(density)}")
        drawn = topology_workloads(
            file, self.request.weight_density, density, seed, self.arch.n_pe, self.arch.index_bits
        )
        return Plan(picked, (workload for workload in drawn if workload.name in picked))

    def _eie_simulator(self, folder: Path) -> Plan:
        n_pe = _count_pes(folder)
        name = self.request.name or folder.resolve().name or "eie-simulator"
        rows = {} if self.request.rows is None else {"n_rows": self.request.rows}
        layer, acts = read_eie_simulator(folder, n_pe=n_pe, name=name, **rows)
        self._check_packing([layer])
        origin = f"EIE simulator folder {folder.name}"
        if self.request.acts is None and self.request.act_density is None:
            return Plan([layer.name], iter([Workload(self._fitting(layer), acts, origin)]))
        return self._single(layer, origin)

    # Parts of plans ---------------------------------------------------------------------------------------------------

    def _named(self, layer: PackedLayer, alone: bool) -> PackedLayer:
        if self.request.name is None:
            return layer
        if not alone:
            raise ValueError("--name: names one layer, but there are several; pick one with --layers")
        return replace(layer, name=self.request.name)

    def _single(self, layer: PackedLayer, origin: str) -> Plan:
        acts, whence = self._acts(layer)
        return Plan([layer.name], iter([Workload(self._fitting(layer), acts, f"{origin}; {whence}")]))

    def _several(self, layers: Sequence[PackedLayer], activations: Sequence[str], origin: str) -> Plan:
        broken = [
            f"{after.name} has {after.n_cols} inputs, {before.name} before it {before.n_rows} outputs"
            for before, after in pairwise(layers)
            if before.n_rows != after.n_cols
        ]
        names = [layer.name for layer in layers]
        if not broken:
            acts, whence = self._acts(layers[0])
            model = PackedModel(tuple(self._fitting(layer) for layer in layers), tuple(activations))
            remark = "Each layer's output, through its activation function, is the next one's input."
            return Plan(names, iter([Workload(model.layers[0], acts, f"{origin}; {whence}")]), model, (remark,))
        if self.request.acts is not None:
            raise ValueError(f"--acts: the layers are no chain ({broken[0]}); pick one with --layers")
        self.say(f"the layers are no chain ({broken[0]}): each gets inputs of its own")
        each = (self._single(layer, origin).workloads for layer in layers)
        return Plan(names, (workload for workloads in each for workload in workloads))

    def _check_packing(self, layers: Sequence[PackedLayer]) -> None:
        """Refuse layers that cannot be packed for the machine, before anything is said or done."""
        bits = self.arch.weight_bits
        for layer in layers:
            if layer.weight_bits != bits:
                raise ValueError(
                    f"layer {layer.name!r} has codes of {layer.weight_bits} bits, but the machine takes {bits} "
                    f"(--set weight_bits={layer.weight_bits} changes the machine)"
                )
            if layer.n_pe != self.arch.n_pe:
                self._check_n_pe(layer.name, layer.n_cols)

    def _check_n_pe(self, name: str, n_cols: int) -> None:
        n_pe, most = self.arch.n_pe, MAX_POINTERS // (n_cols + _COUNTERS)
        if n_pe > most:
            raise ValueError(f"n_pe: {n_pe}, but layer {name!r} with n_cols {n_cols} can have at most {most}")

    def _fitting(self, layer: PackedLayer) -> PackedLayer:
        """`layer` packed for the machine."""
        arch = self.arch
        if (layer.n_pe, layer.index_bits) == (arch.n_pe, arch.index_bits):
            return layer
        had, gets = _packing(layer.n_pe, layer.index_bits), _packing(arch.n_pe, arch.index_bits)
        self.say(f"layer {layer.name!r} was packed for {had}: repacked for {gets}")
        return layer.repack(arch.n_pe, arch.index_bits)

    @property
    def _act_density(self) -> float:
        density = self.request.act_density
        return 1.0 if density is None else density

    def _acts(self, layer: PackedLayer) -> tuple[NDArray[np.float32], str]:
        """Inputs for `layer`, and where they come from."""
        if self.request.acts is not None:
            if self.request.act_density is not None:
                raise ValueError("--act-density: is for drawn inputs, but --acts gives them")
            return read_acts(self.request.acts, layer), f"inputs from {self.request.acts.name}"
        seed, density = self.request.seed, self._act_density
        of_acts = SeedSequence([seed, int.from_bytes(layer.name.encode())])
        drawn = draw_acts(layer.n_cols, LayerStatistics(1.0, density), 1, of_acts)[0]
        whence = f"inputs drawn with seed {seed}, {_active(density)}"
        self.say(f"layer {layer.name!r}: {whence} (--acts gives real ones)")
        return drawn, whence


def _active(density: float) -> str:
    return "all active" if density == 1 else f"{100 * density:g} % active"


def _packing(n_pe: int, index_bits: int) -> str:
    return f"{n_pe} PE{'s' if n_pe > 1 else ''} and {index_bits}-bit runs"


def _count_pes(folder: Path) -> int:
    """PEs a data folder of the EIE simulator was written for; a folder without data is left to its reader."""
    folder.stat()
    n_pe = 0
    while (folder / "ptr" / f"ptr{n_pe}.dat").is_file():
        n_pe += 1
    return max(n_pe, 1)
