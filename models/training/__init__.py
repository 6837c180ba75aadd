"""Training: LoRA adapters and full fine-tuning of the models that are benchmarked.

A configuration → captioned recordings (`data`) → split by recording → latents and text conditions, computed once
(`latents`) → optimizer steps with validation and checkpoints (`trainer`) → a folder that a
run names as ``adapter:`` (`outputs`). `train` leads through all of it.
"""
