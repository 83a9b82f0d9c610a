"""Turns files, tables and change events into documents and chunks, and commits them to the catalog."""
