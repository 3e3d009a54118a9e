"""What runs inside the sandbox, next to a controller; nothing here may need the host's side of the project."""
