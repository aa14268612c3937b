"""The paper's tables and figures: each cell measured here, as the paper prints it, or missing."""
