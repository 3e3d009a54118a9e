"""Collecting replay grids: whole reasoning traces of a model, cut into intervals, with a probe at every cut.

`questions` and `word_problems` say what is asked, `engine` what must be able to run a model: `openai_server` does it
for servers that continue partial answers, `final_answers` for those that do not, `vllm_engine` in this process.
`cutting`, `reading`, `extraction` and `branches` turn one question's traces into the rows of a grid, `spelling` gives
equal answers one spelling, `parts` keeps questions one by one, and `run` goes from a list of questions to one Parquet
file.
"""
