"""What a demo is made of: films, a folder, and a network that is trained on such films."""
