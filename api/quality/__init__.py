"""How good search and answers are: evaluation sets asked, scored and compared."""
