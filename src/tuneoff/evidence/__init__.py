"""Numbers with their origin: metrics of the stored runs, gathered into results.json. Reads the store alone."""

from tuneoff.evidence.results import SCHEMA_VERSION, build_results, write_results

__all__ = ["SCHEMA_VERSION", "build_results", "write_results"]
