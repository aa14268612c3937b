"""Steps as engines outside of torch tell them, translated to the calls of a profile. README.md here says more."""
