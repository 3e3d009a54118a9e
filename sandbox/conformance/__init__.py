"""Conformance suite: hostile controllers, and the results that every isolation backend must give for them.

`autotts sandbox check` and the tests run it.
"""
