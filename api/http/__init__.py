"""What requests have in common: bodies, pages, streams, waits, the shape of errors, the description."""
