"""Parts of the page beyond a validation, one a module."""
