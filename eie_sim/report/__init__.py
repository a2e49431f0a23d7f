"""Results as figures (data), tables and pictures."""
