"""The accelerator, one unit a file: the executable specification of the cycle contract."""
