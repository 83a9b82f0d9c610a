"""Contract suites that any implementation of a retrieval protocol must pass; plug-in authors import them too."""
