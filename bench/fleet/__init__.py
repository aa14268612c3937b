"""Many boards at once: cases are given to boards, one case a board; dask carries them and what they answer."""
