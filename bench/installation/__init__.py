"""What is installed here: list it, try it, and say what is missing."""
