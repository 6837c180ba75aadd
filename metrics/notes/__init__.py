"""Notes, onsets, tempo and key, found in audio; each is computed once per clip and shared by all metrics."""
