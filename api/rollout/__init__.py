"""A plan on its way to everybody: who is served by it, what is counted, and when it goes back by itself."""
