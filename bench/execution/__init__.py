"""Generate missing clips and compute missing scores."""
