"""Models in our own files: packed (``.eie``) and compressed (``.dcz``)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

from compressor.types.network import RECURRENT, percentage
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.origin import Origin
from eie_sim.sources.contents import content_of_file
from eie_sim.sources.job import Job, Note, check_n_pe
from eie_sim.sources.options import LoadOptions
from eie_sim.sources.packing import listed, model_job


class ReadModel(NamedTuple):
    """What a file holds for the machine, and what a user should know of the rest."""

    model: PackedModel
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class ModelFile(ABC):
    """A file of layers in order."""

    path: Path
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"layers", "chain", "name", "acts", "act_density", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = False
    where: ClassVar[str]

    @abstractmethod
    def read(self, arch: ArchConfig | None) -> ReadModel:
        """All layers; packed for `arch` where the file does not say for what.

        Raises
        ------
        ValueError
            If the file is malformed, or has nothing that the machine runs.
        OSError
            If it cannot be read.
        """

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        return self.job_of(self.read(arch), arch)

    def job_of(self, stored: ReadModel, arch: ArchConfig | None) -> Job:
        """The job, of what `read` has read."""
        job = model_job(stored.model, Origin("file", self.path.name), self.options, arch)
        network = stored.model.network
        if network is None:
            return replace(job, notes=(*stored.notes, *job.notes))
        part = [Note(f"on the machine: {network.coverage(job.names)} of {self.path.name}")]
        here = [use for use in network.uses if not set(use.tensors).isdisjoint(job.names)]
        steps = [use.tensors[0] for use in here if use.operator in RECURRENT]
        # More multiply-accumulates than weights: the rows of a batch or of a sequence; or a weight of several uses.
        names = [name for use in here for name in use.tensors]
        many = [use.tensors[0] for use in here if use.operator not in RECURRENT and (use.macs or 0) > sum(use.sizes)]
        many += sorted({name for name in names if names.count(name) > 1} - set(many))
        if steps:
            part.append(Note(f"{listed(steps)}: one product of [W R] and (x, h); the steps over time are not run"))
        if many:
            part.append(Note(f"{listed(many)}: several products an inference; one is run for each input vector"))
        work = network.coverage(job.names)
        if (steps or many) and not work.unknown:
            once = sum({name: size for use in here for name, size in zip(use.tensors, use.sizes, strict=True)}.values())
            share = percentage(min(once, work.all_macs), work.all_macs)
            part.append(Note(f"an input vector for each layer is {share} of the multiply-accumulates of an inference"))
        return replace(job, notes=(*stored.notes, *part, *job.notes))

    def reader(self) -> "ModelFile":
        """The same file, whatever is asked of it."""
        return replace(self, options=LoadOptions())

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        return content_of_file(self.path, self.options)


@dataclass(frozen=True)
class PackedFile(ModelFile):
    """A packed model, ``.eie``."""

    where: ClassVar[str] = "with an .eie file"

    def read(self, arch: ArchConfig | None) -> ReadModel:
        """See `ModelFile.read`."""
        from compressor.storage.packed_file import load_model

        del arch  # layers are packed already; what does not fit the machine is packed anew
        return ReadModel(load_model(self.path))


@dataclass(frozen=True)
class CompressedFile(ModelFile):
    """A compressed model, ``.dcz``: its matrices."""

    where: ClassVar[str] = "with a .dcz file"

    def read(self, arch: ArchConfig | None) -> ReadModel:
        """See `ModelFile.read`."""
        from compressor.storage.coded_file import load_compressed

        model = load_compressed(self.path)
        host = [tensor.name for tensor in model.tensors if tensor.kind == "conv"]
        matrices = [tensor for tensor in model.tensors if tensor.kind != "conv"]
        if not matrices:
            raise ValueError(f"{self.path}: holds convolutions alone, and the machine runs matrices")
        selected = model.select(*(tensor.name for tensor in matrices))
        n_pe, _, index_bits = (arch or ArchConfig()).packing
        for tensor in matrices:
            check_n_pe(tensor.name, tensor.shape[1], n_pe)
        left_out = Note(f"{listed(host)}: convolutions, which the machine does not run, are left out")
        return ReadModel(selected.pack(n_pe, index_bits), (left_out,) if host else ())
