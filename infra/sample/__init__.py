"""The sample company: rows, documents and questions, installed with the package for `kb demo` and the tests."""
