"""Choosing an answer model on questions with known answers: sentences, readers, an endpoint and how it is asked."""
