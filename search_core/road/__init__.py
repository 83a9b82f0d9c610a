"""The road of a run: one stage a tier, each beginning with the best that the one before has found."""
