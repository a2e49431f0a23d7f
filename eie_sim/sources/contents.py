"""What decides what a source runs, by contents: the same bytes under another name are the same work."""

import hashlib
from pathlib import Path

from compressor.storage.files import file_size
from eie_sim.sources.options import LoadOptions


def sha256_of(path: Path) -> str:
    """Digest of a file.

    Raises
    ------
    OSError
        If it cannot be read or is not a regular file.
    """
    file_size(path)  # a pipe would hang and a device never end
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def content_of_file(path: Path, options: LoadOptions) -> dict[str, object]:
    """Contents of a file of layers: its bytes, the layers that are picked, its inputs."""
    layers = options.layers
    picked = layers if layers is None or isinstance(layers, str) else ",".join(layers)
    content: dict[str, object] = {"file": sha256_of(path), "kind": path.suffix.lower(), "layer": picked}
    return content | content_of_inputs(options)


def content_of_inputs(options: LoadOptions) -> dict[str, object]:
    """Contents of the inputs: the bytes of their file, or what they are drawn from."""
    if isinstance(options.acts, Path):
        return {"acts": sha256_of(options.acts)}
    return {"seed": options.seed, "act_density": options.density_of_inputs}
