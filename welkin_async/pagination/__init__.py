"""Lists over many pages: pages, page styles, iterators and pagers."""
