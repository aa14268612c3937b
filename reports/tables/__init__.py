"""Every table: `Column`s and rows in, a string or a renderable out, one file a form."""
