"""Studies: explorers × seeds × ablations as runs, and what they show together."""
