"""Files: the container that all of ours share, the packed model ``.eie`` and the compressed model ``.dcz``."""
