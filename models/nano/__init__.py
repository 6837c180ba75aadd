"""Small checkpoints that really play, made from nothing by commands: music, parts, weights, measures."""
