"""From a start to a stop: the state, its small updates in memory, the only loop, and what it tells."""
