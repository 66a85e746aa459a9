//! The numbers of TensorFlow Lite's schema, version 3 (`tflite/converter/schema/schema.fbs`):
//! fields of its tables in the order they are declared, and its enumerations.

use crate::tensor::DType;

/// The identifier that a file of the format has at byte 4.
pub(crate) const FILE_IDENTIFIER: &[u8; 4] = b"TFL3";

/// Declares the field numbers of a table.
macro_rules! fields {
    ($(#[$doc:meta])* $table:ident { $($field:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        pub(super) mod $table {
            $(pub(in super::super) const $field: usize = $number;)*
        }
    };
}

fields!(
    /// The root.
    model {
        VERSION = 0, OPERATOR_CODES = 1, SUBGRAPHS = 2, DESCRIPTION = 3, BUFFERS = 4, METADATA = 6,
        SIGNATURES = 7,
    }
);
fields!(
    /// `OperatorCode`.
    operator_code { DEPRECATED_BUILTIN = 0, CUSTOM = 1, VERSION = 2, BUILTIN = 3 }
);
fields!(
    /// `SubGraph`.
    subgraph { TENSORS = 0, INPUTS = 1, OUTPUTS = 2, OPERATORS = 3, NAME = 4 }
);
fields!(
    /// `Tensor`.
    tensor {
        SHAPE = 0, TYPE = 1, BUFFER = 2, NAME = 3, QUANTIZATION = 4, IS_VARIABLE = 5, SPARSITY = 6,
        SHAPE_SIGNATURE = 7,
    }
);
fields!(
    /// `QuantizationParameters`.
    quantization { SCALE = 2, ZERO_POINT = 3, DIMENSION = 6 }
);
fields!(
    /// `Operator`.
    operator { CODE = 0, INPUTS = 1, OUTPUTS = 2, OPTIONS_TYPE = 3, OPTIONS = 4 }
);
fields!(
    /// `Buffer`.
    buffer { DATA = 0, OFFSET = 1, SIZE = 2 }
);
fields!(
    /// `Metadata`.
    metadata { NAME = 0, BUFFER = 1 }
);
fields!(
    /// `SignatureDef`.
    signature { INPUTS = 0, OUTPUTS = 1, SUBGRAPH = 4 }
);
fields!(
    /// `TensorMap`.
    tensor_map { NAME = 0, TENSOR = 1 }
);

/// The type of a tensor's elements; `None` for those that no image network has.
pub(super) fn dtype(tensor_type: u8) -> Option<DType> {
    Some(match tensor_type {
        0 => DType::F32,
        1 => DType::F16,
        2 => DType::I32,
        3 => DType::U8,
        4 => DType::I64,
        6 => DType::Bool,
        7 => DType::I16,
        9 => DType::I8,
        10 => DType::F64,
        12 => DType::U64,
        15 => DType::U32,
        16 => DType::U16,
        18 => DType::BF16,
        _ => return None,
    })
}

/// The number of an element type that files are written with.
pub(super) fn type_number(dtype: DType) -> u8 {
    match dtype {
        DType::F16 => 1,
        DType::I32 => 2,
        DType::U8 => 3,
        DType::I64 => 4,
        DType::Bool => 6,
        DType::I16 => 7,
        DType::I8 => 9,
        _ => 0,
    }
}

/// The name of a type that [`dtype`] does not know.
pub(super) fn type_name(tensor_type: u8) -> &'static str {
    match tensor_type {
        5 => "STRING",
        8 => "COMPLEX64",
        11 => "COMPLEX128",
        13 => "RESOURCE",
        14 => "VARIANT",
        17 => "INT4",
        19 => "INT2",
        20 => "UINT4",
        _ => "an unknown type",
    }
}

/// The name of a builtin operator by its number (`BuiltinOperator`); `None` for one that is not in
/// the schema.
pub(super) fn builtin_name(code: i32) -> Option<&'static str> {
    BUILTIN_NAMES.get(usize::try_from(code).ok()?).copied().filter(|name| !name.is_empty())
}

/// The number of a builtin operator.
pub(super) fn builtin_number(name: &str) -> Option<i32> {
    BUILTIN_NAMES.iter().position(|known| *known == name).map(|number| number as i32)
}

const BUILTIN_NAMES: [&str; 162] = [
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEPTH_TO_SPACE",
    "DEQUANTIZE",
    "EMBEDDING_LOOKUP",
    "FLOOR",
    "FULLY_CONNECTED",
    "HASHTABLE_LOOKUP",
    "L2_NORMALIZATION",
    "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION",
    "LOGISTIC",
    "LSH_PROJECTION",
    "LSTM",
    "MAX_POOL_2D",
    "MUL",
    "RELU",
    "RELU_N1_TO_1",
    "RELU6",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RNN",
    "SOFTMAX",
    "SPACE_TO_DEPTH",
    "SVDF",
    "TANH",
    "CONCAT_EMBEDDINGS",
    "SKIP_GRAM",
    "CALL",
    "CUSTOM",
    "EMBEDDING_LOOKUP_SPARSE",
    "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "GATHER",
    "BATCH_TO_SPACE_ND",
    "SPACE_TO_BATCH_ND",
    "TRANSPOSE",
    "MEAN",
    "SUB",
    "DIV",
    "SQUEEZE",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "STRIDED_SLICE",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "EXP",
    "TOPK_V2",
    "SPLIT",
    "LOG_SOFTMAX",
    "DELEGATE",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "CAST",
    "PRELU",
    "MAXIMUM",
    "ARG_MAX",
    "MINIMUM",
    "LESS",
    "NEG",
    "PADV2",
    "GREATER",
    "GREATER_EQUAL",
    "LESS_EQUAL",
    "SELECT",
    "SLICE",
    "SIN",
    "TRANSPOSE_CONV",
    "SPARSE_TO_DENSE",
    "TILE",
    "EXPAND_DIMS",
    "EQUAL",
    "NOT_EQUAL",
    "LOG",
    "SUM",
    "SQRT",
    "RSQRT",
    "SHAPE",
    "POW",
    "ARG_MIN",
    "FAKE_QUANT",
    "REDUCE_PROD",
    "REDUCE_MAX",
    "PACK",
    "LOGICAL_OR",
    "ONE_HOT",
    "LOGICAL_AND",
    "LOGICAL_NOT",
    "UNPACK",
    "REDUCE_MIN",
    "FLOOR_DIV",
    "REDUCE_ANY",
    "SQUARE",
    "ZEROS_LIKE",
    "FILL",
    "FLOOR_MOD",
    "RANGE",
    "RESIZE_NEAREST_NEIGHBOR",
    "LEAKY_RELU",
    "SQUARED_DIFFERENCE",
    "MIRROR_PAD",
    "ABS",
    "SPLIT_V",
    "UNIQUE",
    "CEIL",
    "REVERSE_V2",
    "ADD_N",
    "GATHER_ND",
    "COS",
    "WHERE",
    "RANK",
    "ELU",
    "REVERSE_SEQUENCE",
    "MATRIX_DIAG",
    "QUANTIZE",
    "MATRIX_SET_DIAG",
    "ROUND",
    "HARD_SWISH",
    "IF",
    "WHILE",
    "NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5",
    "SCATTER_ND",
    "SELECT_V2",
    "DENSIFY",
    "SEGMENT_SUM",
    "BATCH_MATMUL",
    "PLACEHOLDER_FOR_GREATER_OP_CODES",
    "CUMSUM",
    "CALL_ONCE",
    "BROADCAST_TO",
    "RFFT2D",
    "CONV_3D",
    "IMAG",
    "REAL",
    "COMPLEX_ABS",
    "HASHTABLE",
    "HASHTABLE_FIND",
    "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE",
    "REDUCE_ALL",
    "CONV_3D_TRANSPOSE",
    "VAR_HANDLE",
    "READ_VARIABLE",
    "ASSIGN_VARIABLE",
    "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL",
    "BUCKETIZE",
    "RANDOM_UNIFORM",
    "MULTINOMIAL",
    "GELU",
    "DYNAMIC_UPDATE_SLICE",
    "RELU_0_TO_1",
    "UNSORTED_SEGMENT_PROD",
    "UNSORTED_SEGMENT_MAX",
    "UNSORTED_SEGMENT_SUM",
    "ATAN2",
    "UNSORTED_SEGMENT_MIN",
    "SIGN",
    "BITCAST",
    "BITWISE_XOR",
    "RIGHT_SHIFT",
];
