"""What each study beyond the paper (`eie_sim.studies`) would have given EIE, layer by layer."""
