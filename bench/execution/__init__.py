"""Generate the clips and compute the scores that are missing."""
