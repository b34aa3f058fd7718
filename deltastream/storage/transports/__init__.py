"""The clients of object stores: each turns its library's requests and errors into those of `Transport`."""
