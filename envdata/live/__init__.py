"""Branches of live episodes: a model decodes them while the controller decides."""
