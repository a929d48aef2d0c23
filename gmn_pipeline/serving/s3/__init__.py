"""Objects by the protocol of S3, for tools that speak it."""
