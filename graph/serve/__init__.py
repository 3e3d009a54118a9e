"""Serving of controllers over a live model: an OpenAI-compatible endpoint, and a LangChain Runnable."""
