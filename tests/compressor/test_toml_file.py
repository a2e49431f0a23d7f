"""TOML files that users write: marks and paths of Windows."""

import pytest

from compressor.storage.toml_file import read_toml
from eie_sim import ArchConfig
from eie_sim.baselines.devices import device, read_device, write_device
from eie_sim.sweep.space import Space

MARK = b"\xef\xbb\xbf"


def test_a_byte_order_mark_is_skipped_by_every_reader(tmp_path):
    machine, space, mine = (tmp_path / f"{name}.toml" for name in ("machine", "space", "device"))
    machine.write_bytes(MARK + b"n_pe = 8\n")
    space.write_bytes(MARK + b'[axes]\nworkload = "lenet-300-100"\n')
    write_device(mine, device("Titan X"))
    mine.write_bytes(MARK + mine.read_bytes())
    assert ArchConfig.from_toml(machine).n_pe == 8
    assert Space.from_toml(space).axes == {"workload": "lenet-300-100"}
    assert read_device(mine) == device("Titan X")


@pytest.mark.parametrize("path", [r"C:\Users\me\m.eie", r"\\server\m.eie", r"models\mine.eie"])
def test_a_path_of_windows_in_double_quotes_is_said_how_to_write(tmp_path, path):
    file = tmp_path / "space.toml"
    file.write_text(f'[axes]\nworkload = "{path}"\n')
    with pytest.raises(
        ValueError, match=r"not a TOML file: .*; in double quotes \\ begins an escape: write a path in single"
    ):
        read_toml(file)
    file.write_text(f"[axes]\nworkload = '{path}'\n")
    assert read_toml(file)["axes"]["workload"] == path


def test_other_mistakes_have_no_cure_for_paths(tmp_path):
    file = tmp_path / "space.toml"
    file.write_text("n_pe: 8\n")
    with pytest.raises(ValueError) as caught:
        read_toml(file)
    assert "escape" not in str(caught.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a TOML file: byte 0 is not UTF-8"):
        read_toml(file)
