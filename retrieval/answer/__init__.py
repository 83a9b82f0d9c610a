"""Answers from retrieved passages: sentences or a language model's text, cited to exact spans, or a refusal."""
