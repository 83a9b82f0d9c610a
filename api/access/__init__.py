"""Who may come in, and as whom: keys, tokens, sessions, and the audit log of what they did."""
