"""Beyond the paper: what EIE would gain from changes that its authors name or leave out, by the exact model.

Each study is a function of public parts (a packed layer, an input vector, a machine) and returns plain rows; none has
an engine of its own. Energies are by a named calibration.
"""
