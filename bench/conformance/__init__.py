"""Check that a model holds its contract, and what of an installation can run."""
