"""The steps of one search around its ranking: both legs, the check against the catalog, spelling, highlights."""
