"""What every request passes, in and out: bounds, errors, pages, streams, and the vocabulary of the routes."""
