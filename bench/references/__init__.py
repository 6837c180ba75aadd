"""Reference sets: load, find, build and import them, and find recordings that a model was trained on."""
