"""The API's own description: an OpenAPI document and a page of it, made of what the API works with."""
