"""Clip scores to table cells, and the protocol that they were measured by."""
