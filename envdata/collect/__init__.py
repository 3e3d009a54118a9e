"""Collecting replay grids: whole reasoning traces of a model, cut into intervals, with a probe at every cut.

`questions` and `word_problems` say what is asked, `engine` what a model server must be able to do and `openai_server`
does it over the OpenAI API; `cutting`, `extraction` and `branches` turn one question's traces into the rows of a grid,
`parts` keeps them question by question, and `run` goes from a list of questions to one Parquet file.
"""
