"""Whether the clips of a run lie nearer to what a model was trained on than to what was held out."""
