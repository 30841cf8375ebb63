"""The scheduler of a cluster: a client that is connected to it and trusts it, and what it says of its workers."""
