"""The controllers that come with the project: the hand-crafted baselines, and CMC. Read them as examples."""
