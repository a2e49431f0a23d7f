"""What the benchmarks of Deep Compression, pruning and DSD share: data, recipes, runs that resume, and result files."""
