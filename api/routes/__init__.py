"""The REST routes, one file per family."""
