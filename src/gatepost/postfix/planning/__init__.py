"""What would change in a Postfix, and why; pure."""
