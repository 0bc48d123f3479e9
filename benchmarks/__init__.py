"""What `make bench` measures, each figure against a reference taken in the same run."""
