"""EIE in SystemVerilog, written from the cycle contract alone, and the engine `rtl`, which runs it by Verilator.

The tree is that of `eie_sim.machine`, a unit a file (``*.sv``). `parameters` is a machine as the hardware sees it,
`build` compiles it, `model` is the compiled machine with its memories, `engine` answers to `eie_sim.simulate`. In
``harness`` is what only a simulation needs: counters bound from outside, and the C interface.
"""
