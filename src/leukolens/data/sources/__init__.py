"""One file per dataset: each reads the dataset as people download it, folder or zip, into a manifest."""
