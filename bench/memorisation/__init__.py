"""Memorization: compare how near clips are to training music and to held-out music."""
