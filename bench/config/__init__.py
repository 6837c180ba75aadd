"""Configuration files: runs, sweeps and recipes."""
