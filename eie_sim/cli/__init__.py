"""The command line `eie-sim`; the only place of the package that prints."""
