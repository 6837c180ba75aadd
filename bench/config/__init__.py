"""What a configuration file may say: runs, sweeps and recipes."""
