"""The log of a run: each trial once, checked, compared, replayed."""
