"""What the Postfix beside us says of itself."""
