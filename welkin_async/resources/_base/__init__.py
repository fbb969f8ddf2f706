"""Building blocks of resources: the scope of a request, its arguments, and a mixin for each verb."""
