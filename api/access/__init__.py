"""Who may come in, as whom, and how often: keys, tokens, sessions, limits, and the audit log of what they did."""
