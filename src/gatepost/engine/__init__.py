"""Runs the checks and decides."""
