"""Analysis of traces: summaries of episodes, how they ended, and why they failed."""
