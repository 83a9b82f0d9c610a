"""Long work: tasks found by name, jobs whose state is in the catalog, and the processes that run them."""
