"""What ``deltastream plan`` shows: what an epoch will take, per rank, before any data is read."""
