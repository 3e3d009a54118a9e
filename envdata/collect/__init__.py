"""Collection of replay grids: whole reasoning traces of a model, cut into intervals, with a probe at every cut.

`question_sources` loads questions. `engine` is the interface to a model: `openai_server` implements it for servers that
continue partial answers, `final_answers` for those that do not, `vllm_engine` in this process. `cut_points`,
`answer_reader`, `extraction` and `branches` turn the traces of one question into rows of a grid, `canonical_answers`
gives equal answers one spelling, `partial_results` keeps finished questions, and `collection` makes one Parquet file
from a list of questions.
"""
