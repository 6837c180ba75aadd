"""Every clip and score that must exist, each with its identity, before anything is made."""
