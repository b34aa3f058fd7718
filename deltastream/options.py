"""Owns every default, once, with where its number comes from."""
