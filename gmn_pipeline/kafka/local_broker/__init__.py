"""One Kafka broker on this machine, for who has no cluster: installed, started and stopped."""
