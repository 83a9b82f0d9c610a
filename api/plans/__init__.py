"""Which plan may serve a collection, and the steps by which it comes to."""
