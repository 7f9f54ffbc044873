"""Tools whose pins clash with ours, or that are not Python: exact versions only, one environment a file or folder.

`NAME.txt` lists Python packages that are laid over ours for one child; `NAME/package.json` (with its lock file) lists
npm packages. What each is for stands at the top of its file. `evaluator.children.environments` makes them on demand.
"""
