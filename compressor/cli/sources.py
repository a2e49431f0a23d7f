"""Networks and compressed models in any file that the package reads, and decoded weights in any that it writes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from compressor import importers
from compressor.console.graph_inputs import graph_inputs
from compressor.networks.registry import SHAPES
from compressor.storage.coded_file import load_compressed
from compressor.storage.toml_file import read_toml
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

_TORCH_FILES = (".pt", ".pth", ".bin", ".ckpt")

DENSE_FILES = (".onnx", *_TORCH_FILES, ".safetensors", ".npz")
"""Names of files with trained weights end so."""

COMPRESSED_FILES = (".dcz", ".net")

NO_GRAPH = "a set of matrices: a .net file has no graph, and only that of squeezenet-1.0 is known"
"""What a user should know of a .net file of another network."""

_DEFAULT_SHAPES = "squeezenet-1.0"
_MB = 1_000_000


def suffix_of(file: Path, known: Sequence[str], what: str = "") -> str:
    """The end of the name of `file` in lower case, which must be one of `known`.

    Raises
    ------
    ValueError
        When it is not; the message begins with `what`.
    """
    suffix = file.suffix.lower()
    if suffix not in known:
        before = f"{what}: " if what else ""
        raise ValueError(f"{before}{file}: its name ends in {file.suffix!r}, but it must be one of {', '.join(known)}")
    return suffix


def read_dense(
    file: Path,
    keep: Sequence[str] = (),
    take: Sequence[str] = (),
    fix: Sequence[str] | None = None,
    shape: Sequence[str] | None = None,
) -> DenseModel:
    """A trained network.

    Parameters
    ----------
    file : path
    keep, take : sequence of str
        Patterns of layers that are not to be compressed, and of arrays that are layers.
    fix, shape : sequence of str or None
        Of an ONNX file: values ``NAME=VALUE`` and sizes ``NAME=1x576`` of inputs of its graph.

    Raises
    ------
    ValueError, OSError, ImportError
        When the file cannot be read, or a pattern fits nothing.
    """
    is_onnx = file.suffix.lower() == ".onnx"
    for option, given in {"--fix": fix, "--shape": shape}.items():
        if given and not is_onnx:
            raise ValueError(f"{option}: is for ONNX files, whose graph has inputs")
    if take and is_onnx:
        raise ValueError(f"--take: means nothing for {file}, whose graph says what is a layer")
    fixed, shapes = graph_inputs(fix, shape)
    readers: dict[str, Callable[[], DenseModel]] = {
        ".onnx": lambda: importers.read_onnx(file, keep=keep, fix=fixed, shapes=shapes),
        ".safetensors": lambda: importers.read_safetensors(file, keep=keep, take=take),
        ".npz": lambda: importers.read_npz(file, keep=keep, take=take),
    }
    return readers.get(suffix_of(file, DENSE_FILES), lambda: importers.read_pytorch(file, keep=keep, take=take))()


def read_compressed(file: Path, shapes_name: str | None = None, max_memory: int | None = None) -> CompressedModel:
    """A compressed model of one of `COMPRESSED_FILES`.

    Parameters
    ----------
    file : Path
    shapes_name : str or None
        For a ``.net`` file: the name of a network, or a TOML file.
    max_memory : int or None
        For a ``.dcz`` file, in MB.

    Raises
    ------
    ValueError, OSError, ImportError
        When the file cannot be read, or an option is not for such files.
    """
    if suffix_of(file, COMPRESSED_FILES) == ".net":
        if max_memory is not None:
            raise ValueError("--max-memory: is for .dcz files")
        return importers.read_deep_compression_net(file, _shapes(shapes_name or _DEFAULT_SHAPES))
    refuse_shapes(shapes_name)
    return load_compressed(file, memory_bytes(max_memory))


def refuse_shapes(shapes_name: str | None) -> None:
    """Raise a ValueError where ``--shapes`` is given for a file that holds its shapes itself."""
    if shapes_name is not None:
        raise ValueError("--shapes: is for .net files, which do not hold their shapes")


def memory_bytes(max_memory: int | None) -> int | None:
    """``--max-memory`` in bytes."""
    return None if max_memory is None else max_memory * _MB


def _shapes(name: str) -> dict[str, Sequence[int]]:
    """Shapes of layers: of a network, or of a TOML file in its order."""
    if name.lower().endswith(".toml"):
        found = read_toml(Path(name))
        for layer, shape in found.items():
            if not isinstance(shape, list):
                raise ValueError(f"--shapes: {layer} is {shape!r}, but it must be a list such as [outputs, inputs]")
        return found
    if name not in SHAPES:
        raise ValueError(f"--shapes: {name!r}, but it must be a file .toml or one of {', '.join(SHAPES)}")
    return dict(SHAPES[name])


# Writing --------------------------------------------------------------------------------------------------------------

UNPACKED_FILES = (".npz", ".safetensors", *_TORCH_FILES, ".onnx", ".net")
"""Names of files that decoded weights can be written to end so."""

_NEED_LIKE = {".onnx": "the graph", ".pt": "the names and types of the state dict"}


def check_like(out: Path, like: Path | None, has_graph: bool) -> None:
    """Check that ``--like`` is given where it is needed, and only where it means something.

    Raises
    ------
    ValueError
        If it is not.
    """
    suffix = suffix_of(out, UNPACKED_FILES, "--out")
    suffix = ".pt" if suffix in _TORCH_FILES else suffix
    if like is None and suffix in _NEED_LIKE and not (suffix == ".onnx" and has_graph):
        raise ValueError(
            f"--like: must name the original for a {suffix} file, which gives {_NEED_LIKE[suffix]}; "
            ".npz and .safetensors need none"
        )
    if like is not None and suffix == ".net":
        raise ValueError("--like: means nothing for a .net file")


def write_weights(model: CompressedModel, out: Path, like: Path | None) -> None:
    """Write the decoded weights of `model` to `out`, in the place of those of `like` where it is given.

    Raises
    ------
    ValueError, OSError, ImportError
        When the model does not fit `like` or the format, or a file cannot be read or written.
    """
    check_like(out, like, model.network is not None)
    suffix = suffix_of(out, UNPACKED_FILES, "--out")
    if suffix == ".npz":
        importers.write_npz(model, out, like)
    elif suffix == ".safetensors":
        importers.write_safetensors(model, out, like)
    elif suffix == ".net":
        importers.write_deep_compression_net(model, out)
    elif suffix == ".onnx":
        importers.write_onnx(model, like, out)
    elif like is not None:
        importers.write_pytorch(model, like, out)
