"""``python -P -m bench`` does what ``tunebench`` does."""

from bench.cli import main

main()
