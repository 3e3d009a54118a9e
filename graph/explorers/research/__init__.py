"""Research data: the search set as arrays without text, and a player of controllers over them (`--research-data`)."""
