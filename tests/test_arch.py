"""`ArchConfig`: what every field accepts and refuses, and in which words."""

import numpy as np
import pytest

from eie_sim import PRESETS, ArchConfig, limits, preset
from eie_sim.arch import MAX_ACC_BITS, NETWORK_LEVEL, ClockWarning, FieldsDisagree

# Field, the least and the greatest value it accepts (None: no limit), and whether None is a value.
WHOLE_NUMBERS = [
    ("n_pe", 1, limits.MOST_PES, False),
    ("act_queue_depth", 1, limits.MOST_OUTSTANDING, False),
    ("broadcast_latency", 0, limits.MOST_BROADCAST_LATENCY, False),
    ("spmat_width_bits", 8, limits.MOST_ROW_BITS, False),  # one entry of the paper's 4 + 4 bits
    ("spmat_bytes", 1, limits.MOST_SRAM_BYTES, False),
    ("ptr_bytes", 1, limits.MOST_SRAM_BYTES, False),
    ("act_regfile_entries", 1, limits.MOST_ACTIVATIONS, False),
    ("act_sram_bytes", 0, limits.MOST_SRAM_BYTES, False),
    ("weight_bits", 1, 8, False),
    ("index_bits", 2, 8, False),
    ("weight_frac_bits", -128, 256, True),
    ("act_frac_bits", -128, 256, True),
    ("acc_bits", 2, MAX_ACC_BITS, True),
    ("lnzd_fanin", 2, limits.MOST_FANIN, False),
    ("n_chips", 1, limits.MOST_CHIPS, False),
]
POSITIVE_NUMBERS = ["clock_hz", "technology_nm"]
RATES = ["dram_bytes_per_s", "link_bytes_per_s"]
ENERGIES = ["dram_pj_per_bit", "link_pj_per_bit"]
CHOICES = {
    "arithmetic": ("float32", "fixed8", "fixed16", "fixed32"),
    "rounding": ("half_even", "truncate"),
    "strict_capacity": (True, False),
    "bias": (None, "column", "preload"),
}

whole = pytest.mark.parametrize(("field", "least", "greatest", "optional"), WHOLE_NUMBERS)


def refused(message_of, *parts):
    """The error of a call: a ValueError of one line that has all of `parts` in it."""
    with pytest.raises(ValueError) as caught:
        message_of()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message
    return message


def test_every_field_is_tried_here():
    tried = {field for field, *_ in WHOLE_NUMBERS} | {*POSITIVE_NUMBERS, *RATES, *ENERGIES, "name"} | set(CHOICES)
    assert tried == set(ArchConfig.model_fields)


def test_the_defaults_are_the_64_pe_machine_of_the_paper():
    arch = ArchConfig()
    assert (arch.n_pe, arch.clock_hz, arch.act_queue_depth) == (64, 800e6, 8)
    assert (arch.weight_bits, arch.index_bits, arch.spmat_width_bits) == (4, 4, 64)
    assert arch.entries_per_spmat_row == 8
    assert (arch.spmat_bytes, arch.ptr_bytes, arch.act_sram_bytes) == (128 * 1024, 32 * 1024, 2 * 1024)
    assert arch.act_regfile_entries == 64
    assert (arch.arithmetic, arch.number_bits) == ("float32", None)


@pytest.mark.parametrize("field", ArchConfig.model_fields)
def test_every_field_says_what_it_is(field):
    assert ArchConfig.model_fields[field].description


@whole
def test_a_limit_itself_is_accepted(field, least, greatest, optional):
    # 16 bits hold any entry, so that the width of an entry is not what is refused.
    roomy = ArchConfig(spmat_width_bits=16) if field in ("weight_bits", "index_bits") else ArchConfig()
    assert getattr(roomy.replace(**{field: least}), field) == least
    assert getattr(roomy.replace(**{field: greatest or 10**6}), field) == (greatest or 10**6)
    if optional:
        assert getattr(roomy.replace(**{field: None}), field) is None


@whole
def test_one_beyond_a_limit_is_refused_by_name_value_and_limit(field, least, greatest, optional):
    refused(lambda: ArchConfig().replace(**{field: least - 1}), field, least - 1, least)
    if greatest is not None:
        refused(lambda: ArchConfig().replace(**{field: greatest + 1}), field, greatest + 1, greatest)


@whole
@pytest.mark.parametrize("value", [1.5, 8.0, "8", True, [8], float("nan"), np.float32(8)])
def test_what_is_no_whole_number_is_refused(field, least, greatest, optional, value):
    refused(lambda: ArchConfig().replace(**{field: value}), field)


@whole
def test_no_value_is_a_value_only_where_one_is_chosen_for_it(field, least, greatest, optional):
    if not optional:
        refused(lambda: ArchConfig().replace(**{field: None}), field, None)


@whole
def test_numpy_integers_are_whole_numbers(field, least, greatest, optional):
    value = getattr(ArchConfig().replace(**{field: np.int64(8)}), field)
    assert value == 8
    assert type(value) is int


@pytest.mark.parametrize("field", POSITIVE_NUMBERS)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), None, "fast"])
def test_a_size_of_the_world_is_positive_and_finite(field, value):
    refused(lambda: ArchConfig().replace(**{field: value}), field, value)


@pytest.mark.parametrize("field", RATES)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "fast"])
def test_a_bandwidth_is_positive_and_finite_or_not_given(field, value):
    assert getattr(ArchConfig(), field) is None
    assert ArchConfig().replace(**{field: 1}).replace(**{field: None}) == ArchConfig()
    refused(lambda: ArchConfig().replace(**{field: value}), field, value)


@pytest.mark.parametrize("field", ENERGIES)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, "much"])
def test_the_energy_of_a_bit_is_finite_and_not_negative(field, value):
    assert getattr(ArchConfig().replace(**{field: 0}), field) == 0
    refused(lambda: ArchConfig().replace(**{field: value}), field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dram_bytes_per_s", 1e9),
        ("dram_pj_per_bit", 4.0),
        ("n_chips", 2),
        ("link_bytes_per_s", 1e9),
        ("link_pj_per_bit", 1.0),
    ],
)
def test_what_is_around_a_machine_is_in_its_files_only_where_it_is_not_the_default(field, value):
    arch, changed = ArchConfig(), ArchConfig(**{field: value})
    assert field in NETWORK_LEVEL
    assert not set(NETWORK_LEVEL) & set(arch.model_dump())
    assert changed.model_dump() == {**arch.model_dump(), field: value}
    assert ArchConfig(**changed.model_dump()) == changed != arch
    assert changed.timed_by == arch.timed_by


@pytest.mark.parametrize("field", CHOICES)
def test_a_choice_is_one_of_its_values(field):
    for value in CHOICES[field]:
        assert getattr(ArchConfig().replace(**{field: value}), field) == value
    refused(lambda: ArchConfig().replace(**{field: "float64"}), field, "float64")


def test_a_name_is_a_text():
    assert ArchConfig(name="mine").name == "mine"
    refused(lambda: ArchConfig().replace(name=3), "name", 3)


def test_an_unknown_field_is_an_error_that_lists_the_fields():
    refused(lambda: ArchConfig().replace(pes=3), "pes", "unknown", "n_pe")
    refused(lambda: ArchConfig.from_dict({"fifo_depth": 8}), "fifo_depth", "act_queue_depth")


def test_two_errors_are_told_on_one_line():
    refused(lambda: ArchConfig().replace(n_pe=0, index_bits=9), "n_pe", "index_bits", 9)


def test_making_one_with_a_bad_value_is_a_value_error_too():
    with pytest.raises(ValueError, match="n_pe"):
        ArchConfig(n_pe=0)


@pytest.mark.parametrize(("weight_bits", "index_bits"), [(4, 4), (8, 8), (1, 2), (3, 5)])
def test_a_row_of_the_sram_holds_an_entry_at_least(weight_bits, index_bits):
    bits = {"weight_bits": weight_bits, "index_bits": index_bits}
    entry = weight_bits + index_bits
    assert ArchConfig(spmat_width_bits=entry, **bits).entries_per_spmat_row == 1
    assert ArchConfig(spmat_width_bits=2 * entry - 1, **bits).entries_per_spmat_row == 1
    assert ArchConfig(spmat_width_bits=2 * entry, **bits).entries_per_spmat_row == 2
    refused(lambda: ArchConfig().replace(spmat_width_bits=entry - 1, **bits), "spmat_width_bits", entry - 1, entry)


def test_fields_that_only_disagree_are_told_from_a_field_that_is_wrong():
    with pytest.raises(FieldsDisagree, match="spmat_width_bits: 7, but one entry has 8 bits"):
        ArchConfig(spmat_width_bits=7)
    with pytest.raises(ValueError, match="spmat_width_bits: 0") as wrong:
        ArchConfig(spmat_width_bits=0)
    assert not isinstance(wrong.value, FieldsDisagree)


@pytest.mark.parametrize(("arithmetic", "bits"), [("float32", None), ("fixed8", 8), ("fixed16", 16), ("fixed32", 32)])
def test_the_arithmetic_says_how_wide_its_numbers_are(arithmetic, bits):
    assert ArchConfig(arithmetic=arithmetic).number_bits == bits


def test_a_configuration_is_frozen():
    arch = ArchConfig()
    with pytest.raises(ValueError, match="frozen"):
        arch.n_pe = 3


def test_replacing_makes_a_new_configuration_and_keeps_the_rest():
    arch = ArchConfig(n_pe=3, name="mine")
    changed = arch.replace(index_bits=5)
    assert (changed.n_pe, changed.name, changed.index_bits) == (3, "mine", 5)
    assert arch.index_bits == 4
    assert arch.replace() == arch
    assert hash(arch.replace()) == hash(arch)


# Presets and files ----------------------------------------------------------------------------------------------------


def test_the_machines_of_the_paper_have_names():
    assert set(PRESETS) == {"eie-64pe-45nm", "eie-256pe-28nm"}
    for name, arch in PRESETS.items():
        assert preset(name) is arch
        assert arch.name == name
    small, large = preset("eie-64pe-45nm"), preset("eie-256pe-28nm")
    assert small == ArchConfig(name="eie-64pe-45nm")
    assert (large.n_pe, large.clock_hz, large.technology_nm) == (256, 1200e6, 28.0)


@pytest.mark.parametrize("name", ["eie", "", None, 3, ["eie-64pe-45nm"]])
def test_an_unknown_preset_is_refused_with_the_names_there_are(name):
    refused(lambda: preset(name), "eie-64pe-45nm", "eie-256pe-28nm")


def toml(tmp_path, text):
    path = tmp_path / "machine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_toml_file_holds_fields(tmp_path):
    arch = ArchConfig.from_toml(toml(tmp_path, 'name = "mine"\nn_pe = 3\nclock_hz = 1e9\nstrict_capacity = true\n'))
    assert arch == ArchConfig(name="mine", n_pe=3, clock_hz=1e9, strict_capacity=True)


def test_an_empty_toml_file_is_the_default_machine(tmp_path):
    assert ArchConfig.from_toml(toml(tmp_path, "")) == ArchConfig(name="machine")


def test_a_toml_file_may_begin_from_a_preset(tmp_path):
    arch = ArchConfig.from_toml(toml(tmp_path, 'preset = "eie-256pe-28nm"\nact_queue_depth = 4\n'))
    assert arch == preset("eie-256pe-28nm").replace(act_queue_depth=4, name="machine")


def test_changes_come_after_the_file(tmp_path):
    assert ArchConfig.from_toml(toml(tmp_path, "n_pe = 3"), n_pe=5).n_pe == 5


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("n_pe = 0", "n_pe"),
        ('n_pe = "64"', "n_pe"),
        ("pes = 3", "pes"),
        ("[machine]\nn_pe = 3", "machine"),
        ('preset = "eie"', "eie-64pe-45nm"),
        ("preset = 3", "eie-64pe-45nm"),
        ('preset = ["eie-64pe-45nm"]', "eie-64pe-45nm"),
        ("n_pe = ", "TOML"),
        ("n_pe: 3", "TOML"),
    ],
)
def test_a_bad_toml_file_is_refused_by_its_name_and_the_reason(tmp_path, text, part):
    path = toml(tmp_path, text)
    refused(lambda: ArchConfig.from_toml(path), path.name, part)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    refused(lambda: ArchConfig.from_toml(path), "machine.toml", "TOML")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ArchConfig.from_toml(tmp_path / "none.toml")


def test_a_copy_with_changes_is_checked_and_keeps_nothing_that_followed_from_the_old_values():
    arch = ArchConfig()
    assert (arch.entries_per_spmat_row, arch.packing, arch.sram_limits[0]) == (8, (64, 4, 4), 131072)
    wide = arch.model_copy(update={"spmat_width_bits": 128, "index_bits": 8, "weight_bits": 8})
    assert (wide.entries_per_spmat_row, wide.packing, wide.sram_limits[0]) == (8, (64, 8, 8), 65536)
    assert arch.model_copy() == arch
    with pytest.raises(ValueError, match="n_pe"):
        arch.model_copy(update={"n_pe": 0})


@pytest.mark.parametrize(
    ("clock", "cure"),
    [(800, "if 800 MHz is meant, give 8e8"), (1.2, "if 1.2 GHz is meant, give 1.2e9"), (8e5, "if 800000 kHz is meant")],
)
def test_a_clock_below_one_mhz_is_taken_for_another_unit(clock, cure):
    with pytest.warns(ClockWarning, match=f"clock_hz: .* Hz, below 1 MHz; {cure}"):
        ArchConfig(clock_hz=float(clock))


def test_a_clock_of_one_mhz_is_one():
    assert ArchConfig(clock_hz=1e6).clock_hz == 1e6
