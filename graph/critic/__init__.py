"""Measurements of the critic: what is computed of a candidate without a model, and its text in Markdown."""
