"""Domain types, the catalog (the only truth), its index views, the search plan and answers."""
