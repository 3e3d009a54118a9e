"""The page of a run: its data, made from the files of the run's folder, and its self-contained HTML."""
