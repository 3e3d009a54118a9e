"""Ways to isolate the process that runs a controller."""
