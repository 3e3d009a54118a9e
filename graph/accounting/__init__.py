"""Accounting of a run: tokens, cost, minutes, calls and episodes, and caps on them."""
