"""The world: replay grids, the rules of an episode, many episodes at once, scoring, and where grids come from."""
