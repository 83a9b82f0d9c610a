"""A plan on its way to everybody: who is served by it, and what is counted of it."""
