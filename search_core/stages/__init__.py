"""The stages of a run, one a tier, each beginning with the best that the one before has found."""
