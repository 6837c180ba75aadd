"""Reference sets: load, find, build and import them, and find recordings a model was trained on."""
