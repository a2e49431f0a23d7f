"""The table of a network: what each node took on the machine, and what the host did between them."""

from collections.abc import Sequence

from rich.text import Text

from compressor.console.coverage import middle
from compressor.console.grid import Group, column, grid
from compressor.console.printer import plural
from eie_sim.arch import ArchConfig
from eie_sim.cli.console import Printer
from eie_sim.columns import digits
from eie_sim.network import HostResult, NetworkResult, NodeResult


def print_nodes(result: NetworkResult, printer: Printer) -> None:
    """Print nodes and host segments in the order in which they run, their sum, and what a reader must know."""
    count = max(len(result), 1)
    steps: list[NodeResult | HostResult] = [*result.host, *result.nodes.values()]
    # Stable: of a level, what the host does comes before the machine's turn.
    steps.sort(key=lambda step: step.level)
    nodes = list(result.nodes.values())

    def cells(
        heading: str, of_node: Sequence[str], total: str, host: Sequence[str] | None = None, rank: int = 0
    ) -> Group:
        given, by_host = iter(of_node), iter(host or ["-"] * len(result.host))
        texts = [next(by_host) if isinstance(step, HostResult) else next(given) for step in steps]
        rows = [[Text(text, "dim" if isinstance(s, HostResult) else "")] for text, s in zip(texts, steps, strict=True)]
        return Group(heading, ("",), [*rows, [Text(total, "bold")]], rank)

    names = [
        Text(middle(step.name))
        if isinstance(step, NodeResult)
        else Text(f"host: {plural(len(step.nodes), 'node')}", "dim")
        for step in steps
    ]
    energy = sum(node.energy_uj for node in nodes)
    groups = [
        Group("node", ("",), [[name] for name in names] + [[Text("total", "bold")]], left=True),
        Group(
            "operator", ("",),
            [[Text(step.operator if isinstance(step, NodeResult) else "")] for step in steps] + [[Text("")]],
            rank=3, left=True,
        ),
        cells("products", [f"{node.products:,}" for node in nodes], f"{result.products:,}"),
        cells("cycles", [f"{node.cycles:,}" for node in nodes], f"{result.cycles:,}"),
        cells(
            "%", [f"{100 * node.cycles / max(result.cycles, 1):.1f}" for node in nodes], "100.0" if nodes else "0.0",
            rank=2,
        ),
        cells(
            "us each", [digits(node.cycles / result.arch.clock_hz * 1e6 / count) for node in nodes],
            digits(result.cycles / result.arch.clock_hz * 1e6 / count),
            [f"({digits(step.seconds * 1e6 / count)})" for step in result.host],
        ),
        cells("uJ each", [digits(node.energy_uj / count) for node in nodes], digits(energy / count)),
        cells("weights %", [f"{100 * node.density:.0f}" for node in nodes], "", rank=4),
        cells("inputs %", [f"{100 * _active(node):.0f}" for node in nodes], "", rank=1),
        cells("load balance %", [f"{100 * node.load_balance:.0f}" for node in nodes], "", rank=1),
        cells(
            "MACs performed", [f"{node.macs_performed:,}" for node in nodes],
            f"{sum(node.macs_performed for node in nodes):,}", rank=5,
        ),
    ]  # fmt: skip
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([*table.lines, ""])
    left_out = table.remark("--json, --csv and --out")
    for remark in [*network_remarks(result), *([] if left_out is None else [left_out])]:
        printer.remark(remark)


def network_remarks(result: NetworkResult) -> list[str]:
    """What a reader of the figures of a network must know."""
    remarks = [
        "each: of an inference, the mean. weights %, inputs %: those that are not 0. Each product begins on an empty "
        "machine; in brackets: measured on this host, which no cycle of the machine is for."
    ]
    macs = sum(node.macs_dense for node in result.nodes.values()) // max(len(result), 1)
    if result.macs_host is None:
        remarks.append("Of the multiply-accumulates of the network, the machine's fraction is unknown.")
    elif result.macs_host:
        part = macs / (macs + result.macs_host)
        remarks.append(
            f"On the machine: {100 * part:.1f} % of the multiply-accumulates; the rest is not in its figures."
        )
    if result.arch.n_chips > 1:
        remarks.append("Each chip computes its own rows in products of its own; cycles are those of the slowest chip.")
    if result.has_outside:
        remarks.append("us each and cycles are without the waits for DRAM and link, uJ each is with both.")
    if result.saturations:
        remarks.append(f"{result.saturations:,} sums were cut to the range of the fixed point.")
    return remarks


def summary_lines(result: NetworkResult) -> list[Text]:
    """The network as a whole."""
    found = result.summary()
    counts = ", ".join([plural(result.products, "product"), plural(result.cycles, "cycle")])
    lines = [Text(f"{plural(len(result), 'inference')}: {counts} at {result.arch.clock_hz / 1e6:g} MHz")]
    if len(result) == 1:
        lines.append(
            Text(f"latency {_figure(found['latency_us_max'])} us, energy {_figure(found['energy_uj_max'])} uJ")
        )
    elif len(result):
        for name, what, unit in (("latency_us", "latency", "us"), ("energy_uj", "energy", "uJ")):
            parts = [f"{_figure(found[f'{name}_{at}'])} {unit} ({at})" for at in ("median", "p99", "max")]
            lines.append(Text(f"{what} of an inference: {', '.join(parts)}"))
    if result.has_outside:
        nodes = result.nodes.values()
        waits = sum(node.wait_cycles for node in nodes)
        dram, link = sum(node.dram_uj for node in nodes), sum(node.link_uj for node in nodes)
        lines.append(
            Text(
                f"in latency and energy of all inferences: {waits:,} cycles waited for DRAM and link, DRAM "
                f"{digits(dram)} uJ, link {digits(link)} uJ"
            )
        )
    return lines


def machine_text(arch: ArchConfig) -> str:
    """How many PEs a machine has, on how many chips, and how fast it is."""
    chips = f"{arch.n_chips} chips of " if arch.n_chips > 1 else ""
    return f"{chips}{plural(arch.n_pe, 'PE')}, {arch.clock_hz / 1e6:g} MHz, {arch.arithmetic}"


def _active(node: NodeResult) -> float:
    return node.counts.broadcasts / (node.products * node.n_inputs) if node.products else 0.0


def _figure(cell: object) -> str:
    return digits(cell) if isinstance(cell, (int, float)) else "-"


def answer_table(rows: Sequence[tuple[int, int, str, float]], printer: Printer) -> None:
    """Print the best classes of inferences: inference, class, its name, its probability."""
    groups = [
        column("inference", [str(row[0]) for row in rows]),
        column("class", [str(row[1]) for row in rows]),
        column("name", [row[2] for row in rows], left=True),
        column("probability", [f"{row[3]:.3f}" for row in rows]),
    ]
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])
