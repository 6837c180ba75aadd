"""Listening tests: a frozen design with blind clips from a run, a server, and answers for analysis."""
