"""Alembic migrations of the catalog, run by `retrieval.catalog.engine.migrate`."""
