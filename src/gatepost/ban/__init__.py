"""Bans: who hammers is shut out for a time, and nobody else."""
