"""The answer model: trains, exports and measures span readers. Serving is `retrieval.answer.reader`."""
