"""How text becomes the tokens that are indexed and searched, the same ones for every engine."""
