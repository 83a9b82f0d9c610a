"""One file a server: how it is configured, what starts it, and how it shows that it truly answers."""
