"""Compare two models, or all pairs of models, prompt by prompt."""
