"""What plugin authors subclass and receive: models, metrics, embedders, audio, notes and prompts."""
