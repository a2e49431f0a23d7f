"""``python -m compressor`` is the command ``eie-compress``."""

from compressor.cli import main

if __name__ == "__main__":
    main()
