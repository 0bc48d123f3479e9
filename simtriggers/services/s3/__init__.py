"""S3: buckets, objects and the notifications that a put or a delete sends to matching targets."""
