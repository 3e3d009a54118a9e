"""The world behind a live episode: a model that decodes while the controller decides."""
