"""A link rehearsed before a class: a throw-away student clicks it and runs the notebook."""
