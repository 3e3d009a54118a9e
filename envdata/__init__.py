"""The environment: replay grids, the rules of an episode, many episodes at once, scoring, and collection of grids."""
