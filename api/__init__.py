"""REST, chat and command line over the packages below; the only package that may import them all."""
