"""What a run leaves: a folder with plan, models, manifest and model card."""
