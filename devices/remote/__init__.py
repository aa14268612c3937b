"""A board that is reached over ssh: the agent that runs there, and the host's side of it."""
