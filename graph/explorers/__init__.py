"""Who writes controllers: one protocol, a registry, and the explorers that come with the project."""
