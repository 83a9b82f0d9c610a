"""The commands of `kb`, one file a family; `api.cli` puts them together."""
