"""Many cases at once: planned, compared, one table."""
