"""Inputs of an ONNX graph on the command line: values that are fixed, and sizes."""

from collections.abc import Sequence

_LONGEST_SIZE = 9  # digits


def graph_inputs(
    fix: Sequence[str] | None, shape: Sequence[str] | None
) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """What ``--fix NAME=VALUE`` and ``--shape NAME=1x576`` say, as `compressor.importers.read_onnx` takes it.

    Raises
    ------
    ValueError
        If one of them is something else.
    """
    shapes = {}
    for name, text in pairs("--shape", shape).items():
        sizes = text.lower().split("x")
        if not all(size.isascii() and size.isdigit() and len(size) <= _LONGEST_SIZE for size in sizes):
            raise ValueError(f"--shape: {name}={text!r}, but it must be sizes such as 1x576")
        shapes[name] = tuple(int(size) for size in sizes)
    return pairs("--fix", fix), shapes


def pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` as a mapping."""
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in found:
            raise ValueError(f"{option}: {text!r}, but it must be NAME=VALUE, each input once")
        found[name] = value
    return found


def batch_axes(given: Sequence[str] | None) -> dict[str, int | None]:
    """What ``--batch-axis NAME=N`` says; ``none`` is an input that is the same for all samples.

    Raises
    ------
    ValueError
        If it says something else.
    """
    axes: dict[str, int | None] = {}
    for name, text in pairs("--batch-axis", given).items():
        if text != "none" and not (text.isascii() and text.isdigit()):
            raise ValueError(f"--batch-axis: {name}={text!r}, but it must be an axis, counted from 0, or none")
        axes[name] = None if text == "none" else int(text)
    return axes
