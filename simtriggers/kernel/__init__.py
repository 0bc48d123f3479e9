"""Time, order, chance and cause. Knows no AWS word but `arn`, which is an opaque address here."""
