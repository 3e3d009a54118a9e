"""Explorer without a model: children of the best so far, within a family of controllers built from mechanisms."""
