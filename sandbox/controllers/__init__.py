"""The shipped controllers: the paper's baselines, and three that were discovered. They are also the examples."""
