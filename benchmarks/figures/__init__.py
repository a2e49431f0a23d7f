"""Figures that benchmarks alone draw: data and drawing side by side, in the styles of `eie_sim.report.plots`."""
