"""Many records to a training table, by the same code path as at the bedside."""
