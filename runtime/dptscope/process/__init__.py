"""The process itself: signals, child processes, and limits of memory and CPUs."""
