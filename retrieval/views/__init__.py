"""Views of the catalog that follow its operation log, and the attributes by which searches are restricted."""
