"""Coding agents that work in a folder: confined to it, with one door to their model and one to the evaluation."""
