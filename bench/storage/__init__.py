"""The run folder: its database, its files, and results from workers."""
