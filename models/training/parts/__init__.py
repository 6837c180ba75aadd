"""Training the parts of a latent diffusion model that published checkpoints bring: autoencoder, vocoder, text encoder.

`tunebench train` tunes the network between them; what it stands on is trained here, for models made from nothing.
"""
