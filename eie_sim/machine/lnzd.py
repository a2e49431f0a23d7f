"""Leading non-zero detection: finds the next active input in a row of N lanes (EIE section IV)."""

from collections.abc import Sequence

from eie_sim.machine.act_queue import Activation
from eie_sim.machine.clock import Unit
from eie_sim.machine.datapath import Number


class LNZD(Unit):
    """Scans the inputs, one row of lanes after another.

    Row ``r`` holds ``a[r*N + l]`` in lane ``l``: one source register of each PE. With a bias, one more row follows. The
    tree of detection nodes is combinational: it costs no cycle, so only its outcome is modelled.

    Parameters
    ----------
    rows : sequence of sequence of Number
        Inputs in rows of `n_pe` lanes.
    bias : Number or None
        The activation that the bias multiplies; None without a bias. It is always active, even when it rounds to 0.

    Attributes
    ----------
    row : int
        The row in the lane register.
    active_lanes : list of bool
        Lanes of that row which were active when it was loaded.
    next_lane : int
        First lane that has not been passed yet.
    """

    def __init__(self, rows: Sequence[Sequence[Number]], bias: Number | None = None) -> None:
        self.rows = [list(row) for row in rows]
        self.n_lanes = len(self.rows[0])
        self._activity = [[value != 0 for value in row] for row in self.rows]
        if bias is not None:
            self.rows.append([bias] + [0] * (self.n_lanes - 1))
            self._activity.append([lane == 0 for lane in range(self.n_lanes)])
        self._load_row(0)
        self._taken_lane: int | None = None
        self._next_row_wanted = False

    def _load_row(self, row: int) -> None:
        self.row = row
        self.active_lanes = self._activity[row]
        self.next_lane = 0

    @property
    def found(self) -> Activation | None:
        """The leading active input of the row that has not been taken; None when the row has nothing left."""
        lane = self._leading_lane()
        return None if lane is None else Activation(self.row * self.n_lanes + lane, self.rows[self.row][lane])

    def _leading_lane(self) -> int | None:
        try:
            return self.active_lanes.index(True, self.next_lane)
        except ValueError:  # no lane is active from there on
            return None

    @property
    def has_next_row(self) -> bool:
        """Whether a row is left to load."""
        return self.row + 1 < len(self.rows)

    @property
    def active(self) -> bool:
        """Whether an input is left to be found, or a row to be loaded."""
        return self.has_next_row or self._leading_lane() is not None

    def take(self) -> None:
        """Command of the CCU: the input found is being broadcast; go on behind it."""
        self._taken_lane = self._leading_lane()

    def load_next_row(self) -> None:
        """Command of the CCU: load the next row at the edge."""
        self._next_row_wanted = True

    def commit(self) -> None:
        """Step behind the input taken; load the next row where one was asked for."""
        if self._taken_lane is not None:
            self.next_lane = self._taken_lane + 1
            self._taken_lane = None
            # Nothing can be left behind the last lane, so the next row comes at the same edge.
            self._next_row_wanted = self.next_lane == self.n_lanes and self.has_next_row
        if self._next_row_wanted:
            self._load_row(self.row + 1)
            self._next_row_wanted = False
