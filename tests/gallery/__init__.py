"""Pictures of every page and state, for eyes. `make gallery` takes those of docs/gallery.md."""
