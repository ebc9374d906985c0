"""The workshop: a foreign network becomes a measured, admitted version of a package."""
