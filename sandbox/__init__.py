"""The body: the API a controller is written against, the worker it runs in, the isolation backends, evaluation."""
