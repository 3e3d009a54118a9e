"""Analysis of evaluations: curves of β sweeps, objectives, comparisons, explanations, and traces."""
