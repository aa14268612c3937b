"""Cases that run on a board over ssh. README.md here says how."""
