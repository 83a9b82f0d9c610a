"""Sources from outside: connected, watched, read and removed; and the workers that follow them."""
