"""Joins the parts into a running daemon: the only module that knows everything."""
