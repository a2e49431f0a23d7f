"""The block diagram of the README shows the units that there are."""

from pathlib import Path

from benchmarks.figures import machine_diagram
from eie_sim.machine import __file__ as machine_file


def test_the_machine_diagram_has_a_box_for_every_unit_of_the_machine():
    files = {path.stem for path in Path(machine_file).parent.glob("*.py")}
    # The paper broadcasts in the same cycle, and so does the machine that is drawn.
    no_unit = {"__init__", "machine", "clock", "datapath", "broadcast_pipeline"}
    drawn = [machine_diagram.PE.unit, *(box.unit for box in machine_diagram.BOXES)]
    assert sorted(drawn) == sorted(files - no_unit)


def test_no_two_boxes_overlap_and_every_unit_of_a_pe_stands_in_its_frame():
    def inside(box, frame):
        return (
            frame.x <= box.x
            and frame.y <= box.y
            and box.x + box.width <= frame.x + frame.width
            and box.y + box.height <= frame.y + frame.height
        )

    boxes = machine_diagram.BOXES
    for a in boxes:
        assert inside(a, machine_diagram.PE) == (a.unit not in ("ccu", "lnzd")), a.unit
        for b in boxes:
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert a is b or apart, (a.unit, b.unit)
