"""Owns the cross-check with deltalake: stub."""
