"""The questions of a run: where they come from, what they are, and how they are dealt into parts."""
