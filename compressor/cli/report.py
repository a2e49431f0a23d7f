"""``eie-compress report``: where the bits of a compressed model and the bytes of its file are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from compressor.cli.options import OUTPUT_PANEL, Compressed, Json, MaxMemory, Shapes, option

if TYPE_CHECKING:
    from compressor.accounting import Accounting

_COMPARE = "Compare with zlib, zstd and brotli (default); some seconds a megabyte."


def report(
    file: Compressed,
    compare: Annotated[bool, option(OUTPUT_PANEL, _COMPARE, None, "--compare/--no-compare")] = True,
    shapes: Shapes = None,
    max_memory: MaxMemory = None,
    as_json: Json = False,
) -> None:
    """Account for a compressed model: by the rule of the paper's tables, and every byte of its file."""
    from compressor.cli import PROGRAM
    from compressor.cli.accounts import accounting_document, print_accounting
    from compressor.console.printer import Printer

    printer = Printer(PROGRAM)
    account = _account(file, shapes, max_memory)
    others = _general_coders(file, max_memory) if compare else None
    if as_json:
        printer.json({"file": str(file), **accounting_document(account), "general_coders": others})
        return
    print_accounting(account, printer)
    if others is not None:
        sizes = {name: count for name, count in others.items() if name not in ("what", "bytes")}
        present = ", ".join(f"{name} {count:,}" for name, count in sizes.items() if count is not None)
        absent = ", ".join(name for name, count in sizes.items() if count is None)
        text = f"General tools make of {others['what']} ({others['bytes']:,} bytes): {present}."
        printer.remark(text + (f" Not installed: {absent} (pip install 'eie-sim[formats]')." if absent else ""))


def _account(file: Path, shapes: str | None, max_memory: int | None) -> "Accounting":
    from dataclasses import replace

    from compressor.accounting import NET_INDEX_BITS, account, account_file
    from compressor.cli.sources import COMPRESSED_FILES, memory_bytes, read_compressed, refuse_shapes, suffix_of

    if suffix_of(file, COMPRESSED_FILES) == ".dcz":
        refuse_shapes(shapes)
        return account_file(file, memory_bytes(max_memory))
    # A .net file has the same parts at the same widths, and for a header the numbers of entries alone.
    model = read_compressed(file, shapes, max_memory)
    found = account(model, "fixed", NET_INDEX_BITS)
    header_bytes = file.stat().st_size - found.total.file.total
    return replace(found, header_bytes=header_bytes, file_bytes=file.stat().st_size)


def _general_coders(file: Path, max_memory: int | None) -> dict[str, Any]:
    """Sizes by other tools: of the file itself where nothing in it is coded, else of its content before coding."""
    from compressor.accounting import fixed_width_content, general_coders
    from compressor.cli.sources import memory_bytes
    from compressor.storage.coded_file import load_compressed

    is_net = file.suffix.lower() == ".net"
    content = file.read_bytes() if is_net else fixed_width_content(load_compressed(file, memory_bytes(max_memory)))
    what = "the file" if is_net else "the same content at fixed width, without names and shapes"
    return {"what": what, "bytes": len(content), **general_coders(content)}
