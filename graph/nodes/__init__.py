"""The nodes of the state machine. Each can run again after a kill and leave the same files."""
