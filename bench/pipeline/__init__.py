"""Run end to end: execute, preview, merge shards."""
