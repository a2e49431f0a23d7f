"""Every published number of the EIE paper (Han et al., ISCA 2016), once: value, unit, table or figure, error bar.

*Printed* numbers stand in the paper; their error is half of the last printed digit. *Digitised* ones were measured on
the vector graphics of its figures. Sizes and densities of the nine layers (Table III) live with the networks,
`eie_sim.networks`; `table_iii` gathers them. `ERRATA` lists what is known to be wrong in the paper, and `notes` of a
table or figure say what of it matters there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from eie_sim.arch import preset

PAPER = "Han et al., EIE: Efficient Inference Engine on Compressed Deep Neural Network, ISCA 2016"

LAYERS = ("Alex-6", "Alex-7", "Alex-8", "VGG-6", "VGG-7", "VGG-8", "NT-We", "NT-Wd", "NT-LSTM")
"""The nine layers, in the order of every table and figure."""

PES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of PEs of Figs 11, 12, 13."""

QUEUE_DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Activation-queue depths of Fig. 8."""

MACHINE = "eie-64pe-45nm"
"""The preset that is the machine of Tables II and IV and Figs 6 to 9."""

Value = float | None


@dataclass(frozen=True)
class Published:
    """One table or figure: named rows of numbers over named columns.

    Attributes
    ----------
    source : str
        Table or figure.
    what : str
    unit : str
        Of every value; "" for a ratio, and where the rows name their own.
    kind : {"printed", "digitised"}
    error : float
        Half width of the error bar, in `unit`.
    columns : tuple of str or int
    rows : mapping of str to tuple of float or None
        None: not given, or outside the axis.
    relative_error : float
        Where the error grows with the value: its share of the value. The larger of the two counts.
    notes : tuple of str
        Known errors, and how to read the numbers.
    """

    source: str
    what: str
    unit: str
    kind: Literal["printed", "digitised"]
    error: float
    columns: tuple[str | int, ...]
    rows: Mapping[str, tuple[Value, ...]]
    relative_error: float = 0.0
    notes: tuple[str, ...] = ()

    def at(self, row: str, column: str | int) -> Value:
        """The value of `row` at `column`.

        Raises
        ------
        ValueError
            When there is no such row or column.
        """
        if row not in self.rows:
            raise ValueError(f"{self.source}: no row {row!r}; there are {', '.join(self.rows)}")
        if column not in self.columns:
            raise ValueError(f"{self.source}: no column {column!r}; there are {', '.join(map(str, self.columns))}")
        return self.rows[row][self.columns.index(column)]

    def given(self, row: str, column: str | int) -> float:
        """The value of `row` at `column`, where there is one.

        Raises
        ------
        ValueError
            When there is no such row or column, or the paper gives no value there.
        """
        value = self.at(row, column)
        if value is None:
            raise ValueError(f"{self.source}: no value of {row!r} at {column!r}")
        return value

    def error_at(self, row: str, column: str | int) -> Value:
        """Half width of the error bar of that value, in `unit`; None where there is no value."""
        value = self.at(row, column)
        return None if value is None else max(self.error, self.relative_error * abs(value))


def table_iii() -> Published:
    """Table III: inputs, outputs and densities in percent of the nine layers."""
    from eie_sim.networks import published_layers

    rows: dict[str, tuple[Value, ...]] = {
        name: (x.inputs, x.outputs, *(round(100 * d, 1) for d in (x.weight_density, x.act_density, x.flop_density)))
        for name, x in published_layers().items()
    }
    columns = ("inputs", "outputs", "weight_pct", "act_pct", "flop_pct")
    notes = (
        "Weights and operations are rounded to whole percents, activations to tenths; error is that of the former.",
        "NT-We: 10 % here, 11 % in the text. NT-LSTM: weights 10 %, operations 11 % with all inputs active.",
        "The real Alex-8 has 25.66 % weights and 42.9 % active inputs: one image, where the table averages.",
    )
    return Published("EIE Table III", "the nine layers", "", "printed", 0.5, columns, rows, notes=notes)


TABLE_I = Published(
    "EIE Table I",
    "energy of operations at 45 nm",
    "pJ",
    "printed",
    0.05,
    ("energy",),
    {
        "int32 add": (0.1,),
        "float32 add": (0.9,),
        "int32 multiply": (3.1,),
        "float32 multiply": (3.7,),
        "32-bit read of a 32 KB SRAM": (5.0,),
        "32-bit read of DRAM": (640.0,),
    },
)

TABLE_II = Published(
    "EIE Table II",
    "power and area of one PE at 45 nm, by kind of cell and by unit",
    "",
    "printed",
    0.0005,
    ("power_mw", "area_um2"),
    {
        "total": (9.157, 638024),
        "memory": (5.416, 594786),
        "clock network": (1.874, 866),
        "register": (1.026, 9465),
        "combinational": (0.841, 8946),
        "filler cell": (None, 23961),
        "act_queue": (0.112, 758),
        "ptr_read": (1.807, 121849),
        "spmat_read": (4.955, 469412),
        "arithmetic": (1.162, 3110),
        "act_rw": (1.122, 18934),
    },
    notes=(
        "The first five rows, and the five units, each add up to the total with the filler cells.",
        "Critical path 1.15 ns; 800 MHz. Which benchmark gave the toggle rates is not stated.",
    ),
)

LNZD_UNIT = Published(
    "EIE section VI",
    "one leading-non-zero-detection unit; 21 of them serve 64 PEs",
    "",
    "printed",
    0.5,
    ("power_mw", "area_um2"),
    {"lnzd": (0.023, 189)},
    notes=("Power is printed to 0.001 mW.",),
)

TABLE_IV = Published(
    "EIE Table IV",
    "wall-clock time of one input vector",
    "us",
    "printed",
    0.05,
    LAYERS,
    {
        "cpu batch 1 dense": (7516.2, 6187.1, 1134.9, 35022.8, 5372.8, 774.2, 605.0, 1361.4, 470.5),
        "cpu batch 1 sparse": (3066.5, 1282.1, 890.5, 3774.3, 545.1, 777.3, 261.2, 437.4, 260.0),
        "cpu batch 64 dense": (318.4, 188.9, 45.8, 1056.0, 188.3, 45.7, 28.7, 69.0, 28.8),
        "cpu batch 64 sparse": (1417.6, 682.1, 407.7, 1780.3, 274.9, 363.1, 117.7, 176.4, 107.4),
        "gpu batch 1 dense": (541.5, 243.0, 80.5, 1467.8, 243.0, 80.5, 65, 90.1, 51.9),
        "gpu batch 1 sparse": (134.8, 65.8, 54.6, 167.0, 39.8, 48.0, 17.7, 41.1, 18.5),
        "gpu batch 64 dense": (19.8, 8.9, 5.9, 53.6, 8.9, 5.9, 3.2, 2.3, 2.5),
        "gpu batch 64 sparse": (94.6, 51.5, 23.2, 121.5, 24.4, 22.0, 10.9, 11.0, 9.0),
        "mgpu batch 1 dense": (12437.2, 5765.0, 2252.1, 35427.0, 5544.3, 2243.1, 1316, 2565.5, 956.9),
        "mgpu batch 1 sparse": (2879.3, 1256.5, 837.0, 4377.2, 626.3, 745.1, 240.6, 570.6, 315),
        "mgpu batch 64 dense": (1663.6, 2056.8, 298.0, 2001.4, 2050.7, 483.9, 87.8, 956.3, 95.2),
        "mgpu batch 64 sparse": (4003.9, 1372.8, 576.7, 8024.8, 660.2, 544.1, 236.3, 187.7, 186.5),
        "eie theoretical": (28.1, 11.7, 8.9, 28.1, 7.9, 7.3, 5.2, 13.0, 6.5),
        "eie actual": (30.3, 12.2, 9.9, 34.4, 8.7, 8.4, 8.0, 13.9, 7.5),
    },
    notes=(
        "cpu: Core i7-5930K; gpu: Titan X; mgpu: Tegra K1. Batch 64 is the time of one vector of the batch.",
        "theoretical = entries walked (fillers and bias included) / 64 PEs / 800 MHz; actual = cycles / 800 MHz.",
        "Three values are printed without a decimal (NT-We gpu 65 and mgpu 1316, NT-LSTM mgpu 315): error 0.5 us.",
    ),
)


TABLE_IV_PLATFORMS: Mapping[str, str] = {"i7-5930K": "cpu", "Titan X": "gpu", "Tegra K1": "mgpu"}
"""First word of Table IV's rows, by the platform's name in Table V."""

POWER_PER_LAYER = Published(
    "Deep Compression Table 9",
    "power while a layer runs; EIE's Fig. 7 uses it",
    "W",
    "printed",
    0.05,
    LAYERS[:6],
    {
        "cpu batch 1 dense": (83.5, 72.8, 77.6, 70.6, 74.6, 77.0),
        "cpu batch 1 sparse": (42.3, 37.4, 36.5, 38.0, 37.4, 36.0),
        "cpu batch 64 dense": (85.4, 84.7, 101.6, 83.1, 97.1, 87.5),
        "cpu batch 64 sparse": (37.2, 37.1, 38, 39.5, 36.6, 38.2),
        "gpu batch 1 dense": (157, 159, 159, 166, 163, 159),
        "gpu batch 1 sparse": (181, 183, 162, 189, 166, 162),
        "gpu batch 64 dense": (168, 173, 166, 173, 173, 167),
        "gpu batch 64 sparse": (156, 158, 163, 160, 158, 161),
        "mgpu batch 1 dense": (5.1, 5.1, 5.4, 5.3, 5.3, 5.4),
        "mgpu batch 1 sparse": (5.9, 6.1, 5.8, 5.6, 6.3, 5.8),
        "mgpu batch 64 dense": (5.6, 5.6, 6.3, 5.4, 5.6, 6.3),
        "mgpu batch 64 sparse": (5.0, 4.6, 5.1, 4.8, 4.7, 5.0),
    },
    notes=(
        "Rows as in Table IV. Processor, or board, and memory (EIE section V); the NeuralTalk layers are not in it.",
        "The gpu rows, and one value of the cpu (38), are printed without a decimal: error 0.5 W.",
    ),
)


def published_cycles(layer: str) -> int:
    """Cycles of `layer` behind Table IV's actual time, at 800 MHz; +-40 from the printed digits.

    Raises
    ------
    ValueError
        When there is no such layer.
    """
    return _in_units_of(layer, "eie actual", preset(MACHINE).clock_hz * 1e-6)


def published_entries(layer: str) -> int:
    """Entries that `layer` walks, behind Table IV's theoretical time; +-2560 from the printed digits.

    Raises
    ------
    ValueError
        When there is no such layer.
    """
    machine = preset(MACHINE)
    return _in_units_of(layer, "eie theoretical", machine.n_pe * machine.clock_hz * 1e-6)


def _in_units_of(layer: str, row: str, per_us: float) -> int:
    return round(TABLE_IV.given(row, layer) * per_us)


TABLE_V = Published(
    "EIE Table V",
    "platforms on AlexNet FC7 (TrueNorth: an LSTM on TIMIT)",
    "",
    "printed",
    0.005,
    ("i7-5930K", "Titan X", "Tegra K1", "A-Eye", "DaDianNao", "TrueNorth", "EIE 64 PEs", "EIE 256 PEs"),
    {
        "year": (2014, 2015, 2014, 2015, 2014, 2014, 2016, 2016),
        "technology_nm": (22, 28, 28, 28, 28, 28, 45, 28),
        "clock_mhz": (3500, 1075, 852, 150, 606, None, 800, 1200),
        "max_parameters_m": (16000, 3000, 500, 500, 18, 256, 84, 336),
        "area_mm2": (356, 601, None, None, 67.7, 430, 40.8, 63.8),
        "power_w": (73, 159, 5.1, 9.63, 15.97, 0.18, 0.59, 2.36),
        "frames_per_s": (162, 4115, 173, 33, 147938, 1989, 81967, 426230),
        "frames_per_s_per_mm2": (0.46, 6.85, None, None, 2185, 4.63, 2009, 6681),
        "frames_per_j": (2.22, 25.9, 33.9, 3.43, 9263, 10839, 138927, 180606),
    },
    relative_error=0.005,
    notes=(
        "The 256-PE column is projected: 28 nm by linear frequency, quadratic area, constant power, 3.25 x the 64-PE "
        "speed of four times the PEs; its clock row says 1200 MHz (1.5 x), its frames follow from 1.6 x.",
        "DaDianNao's frames are an estimate from its peak bandwidth. Parameters of the first four are upper limits.",
    ),
)

TABLE_V_SPEED_OF_256_PES = 3.25
"""Speed of 256 PEs over 64 in the projection (footnote of Table V)."""

TABLE_V_CLOCK_FACTOR = 1.6
"""Factor of the clock behind the frames of the 256 PEs; the row of clocks says 1.5 (derived)."""

TABLE_V_KINDS: Mapping[str, str] = {
    "i7-5930K": "CPU",
    "Titan X": "GPU",
    "Tegra K1": "mobile GPU",
    "A-Eye": "FPGA",
    "DaDianNao": "ASIC",
    "TrueNorth": "ASIC",
    "EIE 64 PEs": "ASIC",
    "EIE 256 PEs": "ASIC",
}
"""What each platform of Table V is (its row "platform type")."""

FIG_6 = Published(
    "EIE Fig. 6",
    "speed against the CPU with dense weights, batch 1",
    "x",
    "printed",
    0.5,
    (*LAYERS, "geomean"),
    {
        "cpu sparse": (2, 5, 1, 9, 10, 1, 2, 3, 2, 3),
        "gpu dense": (14, 25, 14, 24, 22, 10, 9, 15, 9, 15),
        "gpu sparse": (56, 94, 21, 210, 135, 16, 34, 33, 25, 48),
        "mgpu dense": (0.6, 1.1, 0.5, 1.0, 1.0, 0.3, 0.5, 0.5, 0.5, 0.6),
        "mgpu sparse": (3, 5, 1, 8, 9, 1, 3, 2, 1, 3),
        "eie": (248, 507, 115, 1018, 618, 92, 63, 98, 60, 189),
    },
    notes=(
        "mgpu dense is printed to 0.1.",
        "NT-We 63 x implies 9.6 us and NT-LSTM 60 x 7.84 us, where Table IV has 8.0 and 7.5 us (75.6 x and 62.7 x); "
        "the geometric mean from Table IV is 193.9 x.",
    ),
)

FIG_7 = Published(
    "EIE Fig. 7",
    "energy efficiency against the CPU with dense weights, batch 1",
    "x",
    "printed",
    0.5,
    (*LAYERS, "geomean"),
    {
        "cpu sparse": (5, 9, 3, 17, 20, 2, 6, 6, 4, 6),
        "gpu dense": (7, 12, 7, 10, 10, 5, 6, 6, 5, 7),
        "gpu sparse": (26, 37, 10, 78, 61, 8, 25, 14, 15, 23),
        "mgpu dense": (10, 15, 7, 13, 14, 5, 8, 7, 7, 9),
        "mgpu sparse": (37, 59, 18, 101, 102, 14, 39, 25, 20, 36),
        "eie": (34522, 61533, 14826, 119797, 76784, 11828, 9485, 10904, 8053, 24207),
    },
    notes=("The EIE row is Table IV's times with one constant power of 0.600 W for every layer.",),
)

FIG_7_EIE_POWER_W = 0.600
"""Power of the 64-PE machine behind Fig. 7, W (abstract: 600 mW)."""

FIG_8 = Published(
    "EIE Fig. 8",
    "load balance on 64 PEs against the depth of the activation queue",
    "%",
    "digitised",
    0.4,
    QUEUE_DEPTHS,
    {
        "Alex-6": (61.7, 76.2, 87.2, 92.8, 95.5, 96.2, 96.9, 96.9, 96.9),
        "Alex-7": (65.2, 81.7, 92.8, 95.5, 96.2, 96.2, 96.2, 96.2, 96.2),
        "Alex-8": (52.1, 69.3, 84.5, 89.3, 90.7, 90.7, 90.7, 90.7, 90.7),
        "VGG-6": (50.0, 62.4, 73.5, 81.7, 87.2, 91.4, 94.1, 94.1, 94.1),
        "VGG-7": (52.8, 69.3, 83.8, 90.7, 92.8, 93.5, 93.5, 93.5, 93.5),
        "VGG-8": (45.2, 65.2, 82.4, 87.2, 87.2, 87.2, 88.6, 88.6, 88.6),
        "NT-We": (17.6, 34.1, 54.8, 65.2, 68.6, 69.3, 69.3, 70.7, 70.7),
        "NT-Wd": (79.7, 89.3, 93.5, 93.5, 93.5, 93.5, 93.5, 93.5, 93.5),
        "NT-LSTM": (50.0, 69.3, 83.1, 85.9, 87.9, 88.6, 90.7, 91.4, 91.4),
    },
    notes=("Depth 1: the authors' published code stops there (an empty queue of one slot is also full).",),
)

SPMAT_WIDTHS_BITS = (32, 64, 128, 256, 512)
"""Row widths of the sparse-matrix SRAM in Fig. 9."""

FIG_9_LEFT_READS = Published(
    "EIE Fig. 9, left, curve",
    "rows read from the sparse-matrix SRAMs of 64 PEs against their width; it matches Alex-6",
    "reads",
    "digitised",
    2000,
    SPMAT_WIDTHS_BITS,
    {"AlexNet": (418000, 245800, 149700, 90400, 53700)},
)

FIG_9_LEFT_ENERGY = Published(
    "EIE Fig. 9, left, bars",
    "energy of one read of the sparse-matrix SRAM against its width",
    "pJ",
    "digitised",
    0.7,
    SPMAT_WIDTHS_BITS,
    {"energy": (9.4, 14.6, 28.5, 62.8, 178.5)},
    notes=("The right panel is not the product of curve and bars: it implies 13.65, 18.7, 29, 54 and 113 pJ a read.",),
)

FIG_9_IMPLIED_PJ = (13.65, 18.7, 29.0, 54.0, 113.0)
"""Energy of a read behind the right panel of Fig. 9, pJ, by width (derived from Alex-8's counted and Alex-6's drawn
reads, which agree within 3 %)."""

REAL_ALEX8_CYCLES = 7926
"""Cycles of the EIE authors' own simulator on their own Alex-8, 64 PEs (run)."""

REAL_ALEX8_ROW_READS = (158921, 100900, 60396, 32551, 16468)
"""Row reads of the EIE authors' own simulator on their own Alex-8, 64 PEs, by width (run)."""

FIG_9_RIGHT = Published(
    "EIE Fig. 9, right",
    "energy of all reads of the sparse-matrix SRAMs of 64 PEs against their width",
    "nJ",
    "digitised",
    48,
    SPMAT_WIDTHS_BITS,
    {
        "Alex-6": (5703, 4606, 4415, 4892, 5990),
        "Alex-7": (2601, 2267, 2362, 2649, 3174),
        "Alex-8": (2172, 1885, 1742, 1742, 1885),
        "VGG-6": (6276, 5417, 5512, 6372, 8281),
        "VGG-7": (1503, 1456, 1503, 1647, 2362),
        "VGG-8": (1885, 1647, 1551, 1503, 1647),
        "NT-We": (883, 597, 501, 453, 453),
        "NT-Wd": (2267, 1551, 1217, 1122, 1169),
        "NT-LSTM": (1122, 740, 597, 549, 597),
    },
    notes=("64 bits is the minimum only for Alex-7, VGG-6 and VGG-7; for Alex-6 and for the sum it is 128 bits.",),
)

FIG_10 = Published(
    "EIE Fig. 10",
    "energy of a multiplication, and accuracy of AlexNet on ImageNet, against the precision",
    "",
    "digitised",
    0.05,
    ("float32", "int32", "int16", "int8"),
    {"multiply_pj": (3.69, 3.1, 0.6, 0.19), "accuracy_pct": (80.3, 80.3, 79.8, 53.2)},
    notes=("Whether accuracy is top-1 or top-5 is not stated; the values look like top-5.",),
)

FIG_11 = Published(
    "EIE Fig. 11",
    "speed against one PE, for numbers of PEs",
    "x",
    "digitised",
    0.0,
    PES,
    {
        "Alex-6": (1, 2.0, 4.0, 8.1, 15.9, 32.1, 65.1, 123.0, None),
        "Alex-7": (1, 2.0, 4.0, 7.9, 15.9, 32.1, 65.1, 131.3, None),
        "Alex-8": (1, 2.0, 3.9, 7.9, 15.3, 30.2, 59.2, 105.0, 169.7),
        "VGG-6": (1, 2.0, 4.0, 8.4, 16.8, 35.5, 71.7, 135.3, None),
        "VGG-7": (1, 2.0, 4.0, 8.1, 16.8, 36.5, 78.8, 159.0, None),
        "VGG-8": (1, 2.0, 3.9, 7.9, 15.3, 30.2, 57.3, 101.6, 159.0),
        "NT-We": (1, 2.0, 4.0, 8.1, 16.4, 31.2, 50.4, 64.8, 73.9),
        "NT-Wd": (1, 2.0, 3.9, 7.9, 15.3, 31.2, 61.0, 123.0, None),
        "NT-LSTM": (1, 2.0, 3.9, 7.9, 15.9, 32.1, 63.0, 115.5, 186.7),
    },
    relative_error=0.03,
    notes=(
        "Corrected: the figure's labels swap Alex-k and VGG-k, as Figs 12 and 13 together and the real Alex-8 show.",
        "The axis ends at about 200; missing values lie above.",
    ),
)

FIG_12 = Published(
    "EIE Fig. 12",
    "real weights over entries walked, for numbers of PEs",
    "%",
    "digitised",
    0.4,
    PES,
    {
        "Alex-6": (78.0, 78.0, 78.7, 78.7, 79.4, 81.4, 84.9, 91.0, 100.0),
        "Alex-7": (78.7, 78.7, 78.7, 79.4, 80.1, 81.4, 84.2, 90.4, 100.0),
        "Alex-8": (98.6, 98.6, 99.3, 99.3, 99.3, 100.0, 100.0, 100.0, 100.0),
        "VGG-6": (47.7, 48.4, 48.4, 49.8, 52.6, 57.4, 66.3, 81.4, 100.0),
        "VGG-7": (46.4, 46.4, 47.1, 48.4, 50.5, 54.6, 63.6, 79.4, 100.0),
        "VGG-8": (97.2, 97.9, 97.9, 97.9, 98.6, 99.3, 100.0, 100.0, 100.0),
        "NT-We": (84.9, 84.9, 86.2, 88.3, 91.7, 97.9, 100.0, 100.0, 100.0),
        "NT-Wd": (79.4, 80.1, 80.1, 80.1, 80.7, 81.4, 82.8, 86.2, 91.7),
        "NT-LSTM": (82.8, 83.5, 84.2, 84.9, 86.2, 89.0, 93.1, 98.6, 100.0),
    },
)

FIG_13 = Published(
    "EIE Fig. 13",
    "load balance with queues of 8, for numbers of PEs",
    "%",
    "digitised",
    0.4,
    PES,
    {
        "Alex-6": (100.0, 100.0, 100.0, 99.3, 98.6, 97.2, 92.4, 82.1, 62.9),
        "Alex-7": (100.0, 100.0, 100.0, 99.3, 98.6, 97.9, 95.9, 89.7, 73.9),
        "Alex-8": (100.0, 99.3, 98.6, 97.9, 95.2, 93.8, 89.7, 80.8, 65.6),
        "VGG-6": (100.0, 100.0, 100.0, 99.3, 97.9, 93.1, 81.4, 62.9, 40.2),
        "VGG-7": (100.0, 100.0, 100.0, 99.3, 99.3, 97.2, 90.4, 73.9, 47.8),
        "VGG-8": (100.0, 99.3, 99.3, 98.6, 95.9, 93.1, 87.6, 77.3, 60.8),
        "NT-We": (100.0, 100.0, 98.6, 97.9, 93.8, 84.9, 65.6, 43.6, 24.4),
        "NT-Wd": (100.0, 99.3, 99.3, 98.6, 97.9, 95.9, 93.1, 91.1, 82.8),
        "NT-LSTM": (100.0, 99.3, 97.9, 96.6, 95.9, 93.8, 86.2, 75.9, 59.4),
    },
    notes=("The caption (share of stalled cycles) names the complement of what is plotted.",),
)

HEADLINES: Mapping[str, float] = {
    "speed_vs_cpu": 189,
    "speed_vs_gpu": 13,
    "speed_vs_mgpu": 307,
    "energy_vs_cpu": 24000,
    "energy_vs_gpu": 3400,
    "energy_vs_mgpu": 2700,
    "gops": 102,
    "dense_equivalent_gops": 3000,
    "alexnet_fc_frames_per_s": 1.88e4,
    "weights_per_pe": 131000,
}
"""Abstract and section VI: geometric means over the nine layers, and the 64-PE machine (printed)."""

ERRATA = (
    "Fig. 11: the labels of Alex-k and VGG-k are swapped (corrected here).",
    "Fig. 9: the right panel is not the product of the left panel's curve and bars, as its caption says.",
    "Fig. 6: NT-We and NT-LSTM do not follow from Table IV; the geometric mean from Table IV is 193.9, not 189.",
    "AlexNet FC: 1.88e4 frames/s (53.2 us), where Table IV adds up to 52.4 us. Power is 600, 590 and 580 mW by turns.",
    "Actual time is 'about 10 %' above theoretical: Table IV has 4 to 54 %.",
    "131K weights a PE are '1.2M dense', but 84M over 64 PEs are 1.31M.",
    "Pointers of 13 + 3 bits reach 64K entries; the sparse-matrix SRAM holds 128K.",
    "The pointer SRAM holds 16,384 pointers; VGG-6 alone needs 25,089.",
    "Table V's 256-PE clock is 1200 MHz (1.5 x), but its frames use 1.6 x.",
)
"""What is known to be wrong or contradictory in the paper."""
