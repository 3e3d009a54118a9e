"""Facts on replay grids that hold before any controller plays them: who ends first, who revises, and how votes change.

All are aggregates over questions; none names a question, an answer or a branch.
"""
