"""Tasks besides retrieval that an architecture can be trained for."""
