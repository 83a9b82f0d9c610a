"""Where documents and rows come from; each file is one kind of source."""
