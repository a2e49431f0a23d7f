"""Named machines of the EIE paper."""

from eie_sim.arch import ArchConfig

PRESETS: dict[str, ArchConfig] = {
    "eie-64pe-45nm": ArchConfig(name="eie-64pe-45nm"),
    # Table V, last column: projected to 28 nm, 256 PEs at 1200 MHz.
    "eie-256pe-28nm": ArchConfig(name="eie-256pe-28nm", n_pe=256, clock_hz=1200e6, technology_nm=28.0),
}
"""The machines by name."""


def preset(name: str) -> ArchConfig:
    """The machine called `name`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"preset: {name!r}, but it must be one of {', '.join(PRESETS)}")
    return PRESETS[name]
