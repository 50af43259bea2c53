"""`make bench-peer`: the same class on JupyterHub with DockerSpawner and nbgitpuller."""
