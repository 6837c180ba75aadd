"""A run from end to end: execute, preview, merge shards."""
