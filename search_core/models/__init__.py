"""Graph-plus-language models: operators over an encoder's embeddings, and the same weights through DGL."""
