"""The leaderboard: ranks, the table in each format, and published figures."""
