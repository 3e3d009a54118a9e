"""Coding agents as explorers: confined to a workspace, with one socket to their model and one to the evaluation."""
