"""Where a fit begins: on a sample, a surrogate, at random or where the caller says; found with the loop itself."""
