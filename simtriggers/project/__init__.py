"""The project file: its model, and loading it so that every error names a line and a column."""
