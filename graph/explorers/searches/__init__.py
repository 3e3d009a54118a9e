"""Other frameworks' searches as explorers: each framework's own package, confined, over this project's evaluation."""
