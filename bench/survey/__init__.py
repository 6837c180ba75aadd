"""Listening surveys: read ratings, analyze them for new listeners and new prompts, make tables and plots."""
