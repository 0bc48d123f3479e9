"""What runs inside the process of a handler: `main` by its path, with the standard library alone."""
