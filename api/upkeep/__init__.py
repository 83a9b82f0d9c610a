"""What keeps a collection right and small: verification, retention, and the removal of what nothing names."""
