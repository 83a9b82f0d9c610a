"""What serves a collection: opened at first use, exchanged while requests run."""
