"""LangGraph state machine of a discovery run: proposer, executor, critic, historian; checkpoints, interrupts, spans."""
