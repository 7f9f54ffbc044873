"""The operators of ML programs on numpy, a file for each group; `TABLE` has all of them by name.

Each is as its definition has it: https://github.com/apple/coremltools/tree/main/coremltools/converters/mil/mil/ops/defs
"""

from exports.mil.call import Operator
from exports.mil.operators import (
    arranging,
    elementwise,
    picking,
    products,
    recurrent,
    reducing,
    resizing,
    unpacking,
    windows,
)

TABLE: dict[str, Operator] = {
    **arranging.TABLE,
    **elementwise.TABLE,
    **picking.TABLE,
    **products.TABLE,
    **recurrent.TABLE,
    **reducing.TABLE,
    **resizing.TABLE,
    **unpacking.TABLE,
    **windows.TABLE,
}
