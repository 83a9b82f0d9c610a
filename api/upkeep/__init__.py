"""What keeps a collection right: verification, and the removal of views that nothing names."""
