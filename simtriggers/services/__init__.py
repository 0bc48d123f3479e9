"""The AWS services, a folder each. No service imports another: they deliver to ARNs."""
