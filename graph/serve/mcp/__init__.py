"""A server of the Model Context Protocol: evaluation, comparison, explanation and waiting runs as an agent's tools."""
