"""Studies: grids of models of the same data that share every read of it. Paths, ranks and consensus are faces of it."""
