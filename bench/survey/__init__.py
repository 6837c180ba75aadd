"""Listening surveys: ratings in, an analysis that holds for new listeners and new prompts, tables and plots out."""
