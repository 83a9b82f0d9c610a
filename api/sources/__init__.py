"""Sources from outside: connected, watched, read and removed."""
