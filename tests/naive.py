"""The slow and obvious truth: the cycle contract as a clocked machine in plain Python, one cycle after another.

Written from the contract alone, for obviousness and nothing else. It shares with the project the types of what goes in
and what comes out (`PackedLayer`, `ArchConfig`, `SimResult`) and not one line of timing or arithmetic.
"""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import Counts, Schedule, SimResult

# Numbers --------------------------------------------------------------------------------------------------------------


def quantise(value, bits, frac_bits):
    """Round half to even to an integer of `bits` bits with `frac_bits` fraction bits; cut to the range."""
    rounded = round(Fraction(float(value)) * Fraction(2) ** frac_bits)
    return min(max(rounded, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def most_frac_bits(values, bits):
    """The largest number of fraction bits that holds all of `values`; when all are 0, all bits but the sign."""
    if all(value == 0 for value in values):
        return bits - 1
    frac_bits = 300
    while not all(
        -(2 ** (bits - 1)) <= round(Fraction(float(v)) * Fraction(2) ** frac_bits) <= 2 ** (bits - 1) - 1
        for v in values
    ):
        frac_bits -= 1
    return frac_bits


def shifted_product(weight, activation, shift, rounding):
    """weight x activation x 2**-shift as an integer."""
    exact = Fraction(weight * activation) / Fraction(2) ** shift
    return round(exact) if rounding == "half_even" else exact.numerator // exact.denominator


class Float32:
    """float32, a product and then a sum, each rounded; no fused multiply-add."""

    zero, one = np.float32(0), np.float32(1)

    def __init__(self, layer, acts):
        self.weights = list(layer.codebook)
        self.acts = list(acts)

    def accumulate(self, total, weight, activation):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.float32(total + np.float32(weight * activation)), False

    def start(self, bias):
        return bias

    def output(self, totals):
        return np.array(totals, np.float32)


class Fixed:
    """Integers of b bits, every choice of the contract made here."""

    zero = 0

    def __init__(self, layer, acts, arch):
        bits = int(arch.arithmetic.removeprefix("fixed"))
        inputs = [*acts, 1.0] if broadcasts_bias(layer, arch) else [*acts]
        self.w_frac, self.a_frac = arch.weight_frac_bits, arch.act_frac_bits
        if self.w_frac is None:
            self.w_frac = most_frac_bits(layer.codebook, bits)
        if self.a_frac is None:
            self.a_frac = most_frac_bits(inputs, bits)
        self.weights = [quantise(w, bits, self.w_frac) for w in layer.codebook]
        self.acts = [quantise(a, bits, self.a_frac) for a in acts]
        self.one = quantise(1.0, bits, self.a_frac)
        self.rounding = arch.rounding
        self.acc_bits = arch.acc_bits or bits
        self.top = 2 ** (self.acc_bits - 1)

    def accumulate(self, total, weight, activation):
        exact = total + shifted_product(weight, activation, self.w_frac, self.rounding)
        held = min(max(exact, -self.top), self.top - 1)
        return held, held != exact

    def start(self, bias):
        return quantise(bias, self.acc_bits, self.a_frac)

    def output(self, totals):
        return np.array([float(Fraction(total) / Fraction(2) ** self.a_frac) for total in totals], np.float64)


# The machine ----------------------------------------------------------------------------------------------------------


@dataclass
class Issue:
    """One entry on its way through the pipeline."""

    address: int
    code: int
    row: int
    activation: object


@dataclass
class Pe:
    """One processing element: its SRAM contents, its state between two edges, and what it has counted."""

    pointers: list  # p[k, j] for every pointer column j
    codes: list
    runs: list
    n_rows: int
    zero: object

    # State.
    queue: deque = field(default_factory=deque)  # (pointer column, activation), waiting
    service: deque = field(default_factory=deque)  # what is left of the service: an Issue for each cycle, or None
    pipeline: deque = field(default_factory=lambda: deque([None] * 5))  # stages c+1 .. c+5, youngest first
    last_spmat_row: object = None

    # History.
    cycle_class: list = field(default_factory=list)  # "busy", "bubble" or "nothing" in cycles 1, 2, ...
    pops: list = field(default_factory=list)
    walked: list = field(default_factory=list)  # entries of each column served
    spmat_row_reads: int = 0
    entries: int = 0
    fillers: int = 0
    acc_reads: int = 0
    acc_writes: int = 0
    bypasses: int = 0
    saturations: int = 0
    bias_writes: int = 0

    def __post_init__(self):
        self.totals = [self.zero] * self.n_rows

    def column(self, j, activation):
        """What the service of column j issues, cycle by cycle: its entries, or one empty cycle."""
        row, issues = -1, []
        for address in range(self.pointers[j], self.pointers[j + 1]):
            row += self.runs[address] + 1
            issues.append(Issue(address, self.codes[address], row, activation))
        return issues or [None]

    def work_left_after_this_cycle(self):
        """Cycles of service still to come once this cycle is over, those of a waiting activation included (D = 1)."""
        waiting = sum(max(1, self.pointers[j + 1] - self.pointers[j]) for j, _ in self.queue)
        return max(len(self.service) - 1, 0) + waiting

    def is_done(self):
        return not self.queue and not self.service and not any(self.pipeline)

    def cycle(self, numbers, entries_per_row):
        """What happens during one cycle, from the state at its beginning; nothing here changes queue or service."""
        row_read, _, multiply, add, _ = self.pipeline
        if row_read and row_read.address // entries_per_row != self.last_spmat_row:
            self.spmat_row_reads += 1
            self.last_spmat_row = row_read.address // entries_per_row
        if multiply and multiply.code:
            if add and add.code and add.row == multiply.row:
                self.bypasses += 1
            else:
                self.acc_reads += 1
        if add and add.code:
            self.acc_writes += 1
            # The pipeline neither loses nor reorders a sum (write-first registers, bypass), so the sum is done at once.
            new, cut = numbers.accumulate(self.totals[add.row], numbers.weights[add.code], add.activation)
            self.totals[add.row] = new
            self.saturations += cut
        if not self.service:
            self.cycle_class.append("nothing")
        elif self.service[0] is None:
            self.cycle_class.append("bubble")
        else:
            self.cycle_class.append("busy")
            self.entries += 1
            self.fillers += self.service[0].code == 0

    def edge(self, t):
        """The clock edge that begins cycle t: the pipeline moves, the service goes on, or a new one begins."""
        self.pipeline.pop()
        self.pipeline.appendleft(self.service.popleft() if self.service else None)
        if not self.service and self.queue:
            j, activation = self.queue.popleft()
            self.service.extend(self.column(j, activation))
            self.pops.append(t)
            self.walked.append(self.pointers[j + 1] - self.pointers[j])

    def classes(self, cycles):
        """Cycles 1 .. `cycles` as (fill, busy, bubble, starved, drain)."""
        assert len(self.cycle_class) == cycles
        if not self.pops:
            return 0, 0, 0, 0, cycles
        served = [t for t, what in enumerate(self.cycle_class, start=1) if what != "nothing"]
        fill = self.pops[0] - 1
        drain = cycles - served[-1]
        busy, bubble = self.cycle_class.count("busy"), self.cycle_class.count("bubble")
        starved = self.cycle_class[fill : served[-1]].count("nothing")
        return fill, busy, bubble, starved, drain


def simulate(
    layer: PackedLayer, acts, arch: ArchConfig | None = None, output: bool = True, schedule: bool = False
) -> SimResult:
    """As `eie_sim.simulate`, by stepping every unit through every cycle."""
    arch = arch or ArchConfig()
    inputs = np.asarray(acts, np.float32)
    numbers = Float32(layer, inputs) if arch.arithmetic == "float32" else Fixed(layer, inputs, arch)
    n = layer.n_pe
    pes = _processing_elements(layer, numbers)
    rows = _activation_rows(layer, numbers, arch)
    if arch.bias == "preload":
        _preload(layer, numbers, pes)

    t, row, taken = 1, 0, -1  # edge 1 has loaded row 0; `taken` is the last lane taken of it
    columns, pushes = [], []
    latency = arch.broadcast_latency
    on_the_way = deque()  # (edge at which it is in the queues, (pointer column, activation))
    seen_back = [[] for _ in pes]  # first cycle in which each credit of a PE is known to be back
    stalls = bubbles = idle = 0
    while True:
        # During cycle t: everything looks at the state, nothing changes yet.
        found = next((lane for lane in range(taken + 1, n) if rows[row][lane] is not None), None)
        last_row = row == len(rows) - 1
        done = found is None and last_row and not on_the_way and all(pe.is_done() for pe in pes)
        if latency:
            allowed = max(arch.act_queue_depth - 1, 1)
            full = any(len(pushes) - sum(edge <= t for edge in back) >= allowed for back in seen_back)
        elif arch.act_queue_depth == 1:
            full = any(pe.work_left_after_this_cycle() > 1 for pe in pes)
        else:
            full = any(len(pe.queue) == arch.act_queue_depth - 1 for pe in pes)
        for pe in pes:
            pe.cycle(numbers, arch.entries_per_spmat_row)
        pushed = found is not None and not full
        stalls += found is not None and full
        bubbles += found is None and not last_row
        idle += found is None and last_row
        if done:
            break

        # Edge t + 1: everything changes at once. A pop sees the queue as it was, so it comes before the push.
        t += 1
        for pe in pes:
            pe.edge(t)
        if pushed:
            on_the_way.append((t + latency, rows[row][found]))
        while on_the_way and on_the_way[0][0] == t:
            arrived = on_the_way.popleft()[1]
            for pe in pes:
                pe.queue.append(arrived)
        for pe, back in zip(pes, seen_back, strict=True) if latency else ():
            given = len(pe.pops)
            if arch.act_queue_depth == 1:  # as soon as the next one cannot come too early
                given += len(pe.queue)
                given -= pe.work_left_after_this_cycle() > 1 and given > len(back)
            back += [t + latency] * (given - len(back))
        if pushed:
            columns.append(row * n + found)
            pushes.append(t)
            taken = found
        if not last_row and (found is None or (pushed and found == n - 1)):
            row, taken = row + 1, -1

    return _result(layer, arch, numbers, pes, t, (columns, pushes), (stalls, bubbles, idle), output, schedule)


def broadcasts_bias(layer, arch):
    return layer.has_bias and arch.bias != "preload"


def _preload(layer, numbers, pes):
    bias = layer.bias
    if bias is None and layer.has_bias:
        bias = [layer.codebook[code] for code in layer.bias_codes]
    for stored in range(0 if bias is None else layer.n_rows):
        original = stored if layer.row_permutation is None else layer.row_permutation[stored]
        pe = pes[stored % layer.n_pe]
        value = 0.0 if bias[original] == 0 else bias[original]
        pe.totals[stored // layer.n_pe] = numbers.start(np.float32(value))
        pe.bias_writes += 1


def _activation_rows(layer, numbers, arch):
    """Row r, lane l: None when not active, else (pointer column, activation). The bias row comes last."""
    n = layer.n_pe
    lanes = [(j, a) if a != 0 else None for j, a in enumerate(numbers.acts)]
    lanes += [None] * (-len(lanes) % n)
    if broadcasts_bias(layer, arch):
        lanes += [(layer.n_cols, numbers.one)] + [None] * (n - 1)
    return [lanes[at : at + n] for at in range(0, len(lanes), n)]


def _processing_elements(layer, numbers):
    pes, base = [], 0
    for k in range(layer.n_pe):
        pointers = [int(p) for p in layer.pointers[:, k]]
        codes = [int(c) for c in layer.codes[base : base + pointers[-1]]]
        runs = [int(z) for z in layer.runs[base : base + pointers[-1]]]
        base += pointers[-1]
        pes.append(Pe(pointers, codes, runs, len(range(k, layer.n_rows, layer.n_pe)), numbers.zero))
    return pes


def _result(layer, arch, numbers, pes, cycles, broadcast, scan, output, schedule):
    columns, pushes = broadcast
    stalls, bubbles, idle = scan

    def per_pe(name):
        return np.array([getattr(pe, name) for pe in pes], np.int64)

    fill, busy, bubble, starved, drain = np.array([pe.classes(cycles) for pe in pes], np.int64).T
    counts = Counts(
        broadcasts=len(pushes), broadcast_stalls=stalls, scan_bubbles=bubbles, idle_cycles=idle,
        ptr_reads=np.array([len(pe.pops) for pe in pes], np.int64),
        spmat_row_reads=per_pe("spmat_row_reads"), entries=per_pe("entries"), fillers=per_pe("fillers"),
        acc_writes=per_pe("acc_writes"), acc_reads=per_pe("acc_reads"), bypasses=per_pe("bypasses"),
        saturations=per_pe("saturations") * output,
        busy_cycles=busy, bubble_cycles=bubble, starved_cycles=starved, fill_cycles=fill, drain_cycles=drain,
        bias_writes=per_pe("bias_writes"),
    )  # fmt: skip
    rows_of_inputs = len(range(0, layer.n_cols, layer.n_pe))
    served = (len(pes), len(pushes))
    timing = Schedule(
        np.array(columns, np.int64),
        np.array(pushes, np.int64),
        np.array([pe.pops for pe in pes], np.int64).reshape(served),
        np.array([pe.walked for pe in pes], np.int64).reshape(served),
        layer.n_pe, rows_of_inputs, broadcasts_bias(layer, arch), cycles, arch.broadcast_latency,
    )  # fmt: skip
    return SimResult(
        cycles, _output(layer, numbers, pes) if output else None, counts, timing if schedule else None,
        arch, layer.name, layer.n_rows, layer.n_cols, "naive", "0",
    )  # fmt: skip


def _output(layer, numbers, pes):
    """Row i of PE k's local row i // N, moved back to where it stood before the permutation."""
    totals = [pes[i % layer.n_pe].totals[i // layer.n_pe] for i in range(layer.n_rows)]
    if layer.row_permutation is not None:
        original = [None] * layer.n_rows
        for stored, row in enumerate(layer.row_permutation):
            original[int(row)] = totals[stored]
        totals = original
    return numbers.output(totals)
