"""How the composer writes: keys and chords, form, rhythm, melody, parts and instruments."""
