"""A network in front of a camera: frames at a fixed rate, a bounded queue, deadlines."""
