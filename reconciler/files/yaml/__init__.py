"""YAML as this project means it: read strictly, with places; written with comments kept."""
