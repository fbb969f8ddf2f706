"""The records of the API, a module for each of its sections.

A field is named after the key of the API's documentation, in snake_case: ``first_name`` is ``firstName`` on the wire. A
trailing underscore stands where Python reserves the word. Docstrings list only the fields of which there is more to
say; a name in double backquotes at its start is a key that does not follow from the field's.
"""
