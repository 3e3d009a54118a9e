"""Hostile controllers, and what a sandbox must make of each: the same cases for every backend.

`autotts sandbox check` runs them, and so do the tests.
"""
