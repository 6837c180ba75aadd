"""Survey tools: convert their exports to one table with a row per answer, and write questions for import."""
