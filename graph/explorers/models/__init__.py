"""Explorers that are language models: one protocol for chats, an implementation for each kind of service."""
