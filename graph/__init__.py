"""The mind: the discovery state machine, the explorers, history, reports and the command line."""
