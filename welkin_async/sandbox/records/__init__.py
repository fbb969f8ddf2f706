"""Records of the sandbox: fields, dates, pages, visibility, defaults."""
