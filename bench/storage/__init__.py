"""The run folder: its database, its files, and what workers hand back to be stored."""
