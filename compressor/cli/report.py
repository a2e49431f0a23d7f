"""``eie-compress report``: where the bits of a compressed model and the bytes of its file are."""

from typing import Annotated, Any

from compressor.cli.options import OUTPUT_PANEL, PROGRAM, Compressed, Json, MaxMemory, Shapes, option

_COMPARE = "Compare with zlib, zstd and brotli (default); some seconds a megabyte."


def report(
    file: Compressed,
    compare: Annotated[bool, option(OUTPUT_PANEL, _COMPARE, None, "--compare/--no-compare")] = True,
    shapes: Shapes = None,
    max_memory: MaxMemory = None,
    as_json: Json = False,
) -> None:
    """Account for a compressed model: by the rule of the paper's tables, and every byte of its file."""
    from dataclasses import replace

    from compressor.accounting import NET_INDEX_BITS, account, account_file, fixed_width_content, general_coders
    from compressor.cli.accounts import accounting_document, print_accounting
    from compressor.cli.sources import COMPRESSED_FILES, memory_bytes, read_compressed, refuse_shapes, suffix_of
    from compressor.console.printer import Printer
    from compressor.storage.coded_file import load_compressed

    printer = Printer(PROGRAM)
    is_net = suffix_of(file, COMPRESSED_FILES) == ".net"
    if is_net:
        # A .net file has the same parts at the same widths, no graph, and for a header the numbers of entries alone.
        model = replace(read_compressed(file, shapes, max_memory), network=None)
        of_parts = account(model, "fixed", NET_INDEX_BITS)
        n_bytes = file.stat().st_size
        found = replace(of_parts, header_bytes=n_bytes - of_parts.total.file.total, file_bytes=n_bytes)
    else:
        refuse_shapes(shapes)
        found = account_file(file, memory_bytes(max_memory))
    others: dict[str, Any] | None = None
    if compare:
        # Nothing in a .net file is coded, so that other tools get the file itself.
        content = file.read_bytes() if is_net else fixed_width_content(load_compressed(file, memory_bytes(max_memory)))
        what = "the file" if is_net else "the same content at fixed width, without names and shapes"
        others = {"what": what, "bytes": len(content), **general_coders(content)}
    if as_json:
        printer.json({"file": str(file), **accounting_document(found), "general_coders": others})
        return
    print_accounting(found, printer)
    if others is not None:
        sizes = {name: count for name, count in others.items() if name not in ("what", "bytes")}
        present = ", ".join(f"{name} {count:,}" for name, count in sizes.items() if count is not None)
        absent = ", ".join(name for name, count in sizes.items() if count is None)
        text = f"General tools make of {others['what']} ({others['bytes']:,} bytes): {present}."
        printer.remark(text + (f" Not installed: {absent} (pip install 'eie-sim[formats]')." if absent else ""))
