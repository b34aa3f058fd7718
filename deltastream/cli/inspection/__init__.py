"""What ``inspect`` shows: measured from a snapshot and footers, then drawn as tables or written as JSON."""
