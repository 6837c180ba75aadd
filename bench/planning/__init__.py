"""Plan all clips and scores, each with its identity, before anything is made."""
