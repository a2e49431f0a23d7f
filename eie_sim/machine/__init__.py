"""The accelerator, one unit a file: the executable specification of the cycle contract.

::

    lnzd --> ccu ==broadcast==> N x pe:  act_queue --> ptr_read --> spmat_read --> arithmetic <--> act_rw
      ^                                                                                              |
      +------------------------------- source registers (inputs) -----------------------------------+

`clock` says what a cycle is: every `Unit` looks at the committed state of the others, then all commit. `machine` wires
the units up, loads a layer and runs it until nothing is active. `datapath` holds the two kinds of numbers.

An entry on its way through a PE, issued in cycle c:

=====  ===========  ==================================================================
cycle  unit         what happens
=====  ===========  ==================================================================
c      ptr_read     its address is issued (`PtrRead.issue`)
c+1    spmat_read   its row is read, unless the row is in the row buffer
c+2    arithmetic   codebook lookup, row address accumulated
c+3    arithmetic   destination read, or bypass; multiply
c+4    arithmetic   shift and add
c+5    act_rw       write (write-first: a read in this cycle sees it)
c+6                 nothing of it is left
=====  ===========  ==================================================================

Watching: a `Unit` of your own in ``machine.units`` is clocked with the rest. It may look at everything, and costs
nothing when it is not there.

Changing: subclass a unit and hand it to `Machine` (``Parts`` for those of a PE; ``lnzd=``, ``ccu=``). Keep the rule:
decide in `sample`, change public state in `commit`. A unit that holds work of its own says so in `active`.

>>> import numpy as np
>>> from compressor import pack_codes
>>> from eie_sim.arch import ArchConfig
>>> from eie_sim.machine.act_queue import ActQueue
>>> from eie_sim.machine.clock import Unit
>>> from eie_sim.machine.machine import Machine
>>> from eie_sim.machine.pe import Parts
>>> class ShortQueue(ActQueue):
...     @property
...     def full(self):
...         return len(self.waiting) >= 1
>>> class Occupancy(Unit):
...     def __init__(self, machine):
...         self.machine, self.most = machine, 0
...     def sample(self):
...         self.most = max(self.most, *(len(pe.act_queue.waiting) for pe in self.machine.pes))
>>> codes = np.array([[1, 2, 0, 1], [0, 0, 3, 0], [1, 1, 0, 3], [2, 3, 0, 1]])
>>> layer, acts = pack_codes(codes, [0, 1, 2, 3], n_pe=2), np.ones(4, np.float32)
>>> arch = ArchConfig(n_pe=2, weight_bits=2)
>>> for parts in (Parts(), Parts(act_queue=ShortQueue)):
...     machine = Machine(layer, acts, arch, parts)
...     occupancy = Occupancy(machine)
...     machine.units.append(occupancy)
...     print(machine.run(), occupancy.most, machine.output())
15 2 [4. 3. 5. 6.]
16 1 [4. 3. 5. 6.]

`eie_sim.engines.reference.read_out` makes a `SimResult` of a machine that has run.
"""
