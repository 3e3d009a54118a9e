"""`autotts ui`: the pages of all runs on this machine's loopback, and replays of any episode on demand."""
