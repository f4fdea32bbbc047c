"""The local web server: a page and an API that turn photos into heads, `deca serve` and `deca view`."""
