"""Learned parts that a plan may name: stored, verified, opened, applied."""
