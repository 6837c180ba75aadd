"""Where tasks run: in this process, in local processes, or on a Ray cluster; all give the same results."""
