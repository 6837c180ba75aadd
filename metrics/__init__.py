"""Scores of single clips and of sets of clips, each behind the contracts of `bench`."""
