"""The networks: clip networks and frame networks, the continual layers, weights."""
