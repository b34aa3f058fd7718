"""Owns the measurements: tables to measure on, the contestants, and what a run writes down.

Every figure is a ratio from one run, contestants interleaved, with its command, in ``perf/results/``.
"""
