"""Publications, encodings, subscriptions and the fan-out between them."""
