"""Survey tools: the files they export, brought into one table a row an answer, and the questions they import."""
