"""JavaScript that runs artifacts where the web does: `driver.mjs` in Node, `engines.mjs` in Node or in a page.

`exports.runtimes._web` starts the driver and describes what they say to one another.
"""
