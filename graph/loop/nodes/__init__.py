"""Nodes of the state machine. Each can run again after a kill and then writes the same files."""
