"""Installed plugins: list them, try them, and report what is missing."""
