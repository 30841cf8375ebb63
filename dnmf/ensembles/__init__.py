"""Many models of the same data in shared reads: at which rank it is predicted best, and what all of them find."""
