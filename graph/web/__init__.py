"""What the project's HTTP servers share: who may ask, bounded bodies and connections. Imports nothing of `graph`."""
