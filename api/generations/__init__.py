"""Reindexing: a generation is built beside the one that serves, compared with it, and takes over."""
