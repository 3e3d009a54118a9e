"""Comparison of answers by their mathematical meaning.

An answer is read once (`structure.read`) into a form (`forms.Form`), and forms are compared without SymPy. math-verify
reads formulas; the places where it misreads them are listed in `explicit`, which avoids them. Its comparison is not
used; `forms` gives the reasons.
"""
