"""The portal: pages for people, which ask the public addresses and nothing beside them."""
