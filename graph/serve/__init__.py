"""Controllers behind an OpenAI-compatible endpoint."""
