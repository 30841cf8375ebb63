"""From a start to a stop: the state, the only loop, and what it tells; blind to losses and penalties."""
