"""Studies: runs of explorers × seeds × ablations, their tables, and a page that compares them."""
