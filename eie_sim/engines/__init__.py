"""The engines: two independent answers to one cycle contract (`reference`, `fast`), and `base`, which calls them."""
