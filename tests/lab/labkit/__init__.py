"""What tests and demo do on the lab's host as its user: images, units, webhooks, registries, the daemon."""
