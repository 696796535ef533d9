"""The figures of the CoDA report beside measured ones.

experiments   each cell of Table 4 and each point of Figure 3, as a run
table         published, measured, difference, interval, protocol
"""
