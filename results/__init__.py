"""Published reference rows and recipes: data, read through ``importlib.resources``."""
