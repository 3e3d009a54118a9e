"""Reports: the page of a run, the server of pages, plots, and dataset cards of grids."""
