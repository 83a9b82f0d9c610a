"""The built-in search spaces, one YAML file each; `search_core.spaces.space` reads them."""
