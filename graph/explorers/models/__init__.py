"""Language models as explorers: the protocol `ChatModel` and one implementation for each kind of service."""
