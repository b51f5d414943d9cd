"""The worker side: sandboxd, its client, and the guest inside the container."""
