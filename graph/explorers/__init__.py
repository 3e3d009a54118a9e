"""Explorers, which propose controllers: their protocol, the registry, and the built-in ones."""
