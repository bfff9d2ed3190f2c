"""What every room stands on: errors, files, progress, processes, devices, tables. Imports nothing of ours."""
