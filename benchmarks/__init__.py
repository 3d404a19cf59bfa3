"""Benchmarks: tuneoff beside a plain loop and beside transformers' Trainer, on the same work."""
