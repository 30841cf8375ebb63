"""One read of the data: what a task does with its panels, and the tree its sums go through, here or on a cluster."""
