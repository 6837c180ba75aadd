"""Aggregate clip scores to table cells, and define the protocol of a run."""
