"""The contestants: a module each, with ``open_table(job) -> Epochs``; imported only in the child that measures it."""
