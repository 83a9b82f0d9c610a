"""The corpus as a run sees it: a snapshot, and what both legs say of each question."""
