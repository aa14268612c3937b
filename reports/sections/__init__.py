"""Parts of the HTML page: one file each."""
