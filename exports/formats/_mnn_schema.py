"""Numbers and fields of MNN's schema, as far as they are read here.

Source: https://github.com/alibaba/MNN/tree/master/schema/default
"""

# OpType: those that are numbered from 0 on, then those that have numbers of their own.
_NAMES = (
    *("AbsVal", "QuantizedAdd", "ArgMax", "AsString", "InstanceNorm", "BatchToSpaceND", "Bias", "BinaryOp", "Bnll"),
    *("Cast", "Concat", "Const", "Convolution", "ConvolutionDepthwise", "Crop", "CropAndResize", "Cubic"),
    *("Deconvolution", "DeconvolutionDepthwise", "Dequantize", "DetectionOutput", "Dropout", "Eltwise", "ELU"),
    *("Unique", "Exp", "ExpandDims", "Fill", "Flatten", "FloorMod", "Gather", "GatherV2", "Im2Seq", "InnerProduct"),
    *("Input", "Interp", "Log", "LRN", "LSTM", "MatMul", "MVN", "NonMaxSuppression", "NonMaxSuppressionV2"),
    *("Normalize", "Pack", "Padding", "Permute", "Pooling", "Power", "PReLU", "PriorBox", "Proposal"),
    *("QuantizedAvgPool", "QuantizedBiasAdd", "QuantizedConcat", "QuantizedDepthwiseConv2D", "QuantizedLogistic"),
    *("QuantizedMatMul", "QuantizedMaxPool", "QuantizedRelu", "QuantizedRelu6", "QuantizedReshape"),
    *("QuantizedSoftmax", "QuantizeMaxMin", "QuantizeV2", "Range", "Rank", "ReduceJoin", "Reduction", "ReLU", "ReLU6"),
    *("RequantizationRange", "Requantize", "Reshape", "Resize", "RNN", "ROIPooling", "Scale", "Selu", "Seq2Out"),
    *("Shape", "Sigmoid", "Size", "Slice", "SliceTf", "Softmax", "SpaceToBatchND", "SpatialProduct", "Split"),
    *("Segment", "Squeeze", "StridedSlice", "StringJoin", "StringSplit", "StringToNumber", "TanH"),
    *("TfQuantizedConv2D", "Threshold", "Tile", "TopKV2", "Transpose", "UnaryOp", "Unpack", "Where", "Moments"),
    *("RNNSequenceGRU", "BatchMatMul", "Unsqueeze", "CosineSimilarity", "DepthToSpace", "SpaceToDepth"),
    *("ReverseSequence", "Pooling3D", "Convolution3D", "MatrixBandPart", "GatherND", "DetectionPostProcess"),
    *("UnravelIndex", "ScatterNd", "OneHot", "BroadcastTo", "Dilation2D"),
)
OPERATORS = {
    **dict(enumerate(_NAMES)),
    **dict(enumerate(("Raster", "ConvertTensor", "ArgMin", "LinSpace", "RandomUniform"), 128)),
    **dict(enumerate(("Plugin", "Select", "ZerosLike", "Broastcast", "SetDiff1D"), 256)),
    512: "Extra",
    513: "ConvInt8",
    514: "Int8ToFloat",
    515: "DepthwiseConvInt8",
    516: "PoolInt8",
    517: "FloatToInt8",
    518: "EltwiseInt8",
    600: "While",
    601: "If",
    603: "LayerNorm",
    604: "GridSample",
}
INPUT = _NAMES.index("Input")
# Members of the union OpParameter.
BLOB, CONVOLUTION, INNER_PRODUCT, INPUT_OF = 7, 9, 20, 21
# Members whose weights are vectors of 32-bit floats: which fields those are.
FLOATS = {
    5: (1, 2, 3, 4, 5, 6),  # BatchNorm
    27: (3,),  # Normalize
    32: (1,),  # PRelu
    58: (1, 2),  # Scale
    80: (1, 2),  # Convolution3D
    88: (2, 3),  # LayerNorm
}
# DataType: numpy's name, bytes per number.
TYPES = {
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    9: ("int64", 8),
    10: ("bool", 1),
    14: ("bfloat16", 2),
    17: ("uint16", 2),
    19: ("float16", 2),
}
# How the numbers of a convolution are packed (IDSTQuan.type): numpy's name of what they are packed as.
PACKED = {1: "int8", 2: "int8", 3: "float16", 4: "int8"}
NHWC = 1  # MNN_DATA_FORMAT
