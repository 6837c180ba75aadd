"""Export runs for other programs."""
