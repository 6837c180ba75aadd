"""Notes, onsets, tempo and key, found in audio; each is worked out once for a clip and shared by all metrics."""
