"""Benchmarks that need nothing but an installed Tidegate: a crowd of up to millions at one machine's waiting room."""
