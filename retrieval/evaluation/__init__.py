"""What a ranking is worth: judged questions, metrics, intervals and tests."""
