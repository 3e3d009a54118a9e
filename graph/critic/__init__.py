"""The critic's measured part: what can be said of a candidate without any model."""
