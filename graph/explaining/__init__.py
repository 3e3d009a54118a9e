"""Explaining a controller by replay: its knobs, what it spends where, when it stops and why, which knob matters."""
