"""Code that runs inside the sandbox, beside a controller. It must not import the host's side of the project."""
