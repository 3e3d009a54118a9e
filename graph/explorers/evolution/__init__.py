"""The explorer that needs no model: it moves distributions over a family of mechanisms towards what scored best."""
