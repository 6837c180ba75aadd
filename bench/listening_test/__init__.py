"""Listening tests: from the clips of a run to a frozen design with blind clips, and to answers that can be analyzed."""
