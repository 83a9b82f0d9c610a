"""AutoGLM: searches retrieval plans and models on the customer's own corpus and proves the gain."""
