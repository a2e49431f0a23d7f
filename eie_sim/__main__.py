"""``python -m eie_sim`` is the command ``eie-sim``."""

from eie_sim.cli import main

if __name__ == "__main__":
    main()
