"""One module per resource. A view finds, asks and answers; it decides nothing."""
