"""The corpus graph: which chunks belong together, by structure, names, links, words and vectors. docs/graph.md.

`build_graph` gives explicit edges of a whole corpus, for what learns from them; `GraphView` follows the operation log
and answers for a few candidates at a time, for what searches.
"""

from retrieval.graph.build import CorpusGraph, EdgeKind, EdgeList, build_graph

__all__ = ["CorpusGraph", "EdgeKind", "EdgeList", "build_graph"]
