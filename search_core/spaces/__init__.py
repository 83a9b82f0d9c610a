"""The built-in search spaces, one YAML file each; `search_core.space` reads them."""
