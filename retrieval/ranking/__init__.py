"""One ranking out of both legs: fused, diffused over the graph, reranked."""
