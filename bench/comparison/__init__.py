"""Two models, or all pairs of them, compared prompt by prompt."""
