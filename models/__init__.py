"""Model backends behind `bench.MusicModel`."""
