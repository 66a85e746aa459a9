//! The arithmetic of Lorgnette: slices in, slices out.
//!
//! Values are float32 in NHWC order (batch, rows, columns, channels), or bf16 where an
//! [`ImageLayout`] says so. Inside, some kernels round to fewer bits, if [`NumericOptions`] allow
//! it. Each fast kernel has a reference implementation in [`mod@reference`] that defines its
//! result. All of the project's `unsafe` code for arithmetic is in this crate. Kernels check their
//! arguments before their unsafe code relies on them: a slice that is too short, or a shape that
//! contradicts itself, causes a panic with a message.
//!
//! | I have | I call |
//! |---|---|
//! | a convolution or a fully connected layer | [`choose_conv`], then `pack` once, `run` often |
//! | a depthwise convolution | [`choose_depthwise`], likewise |
//! | a max or average pool | [`pool_window`], [`global_average_pool`] |
//! | a batch normalisation that no convolution absorbed | [`affine`] |
//! | a function of each element, or of pairs | [`unary`], [`binary`] |
//! | logits | [`softmax`] |
//! | another size | [`resize_bilinear`], [`resize_bicubic`], [`resize_nearest`], [`pad`] |
//! | parts of a concatenation | [`copy_strided`] |
//! | 8-bit integers of a quantised network | [`mod@integer`] |
//! | several kernels that an image passes through in blocks of rows | [`RowTasks`] |
//!
//! Every kernel takes the CPU [`Level`] to use, which [`Isa`] describes, and the [`ThreadPool`] to
//! run on. Results do not depend on the number of threads, nor on the other images of a batch, bit
//! for bit.

mod affine;
mod bf16;
mod binary;
mod blocks;
mod buffer;
mod conv;
mod copy;
mod depthwise;
mod exponential;
pub mod fallback;
pub mod function;
mod global_average_pool;
mod image_pair;
pub mod integer;
mod isa;
mod level;
mod lrn;
pub mod numerics;
mod packed_layout;
mod pooling;
pub mod reference;
mod resize;
mod row_tasks;
pub mod shape;
mod simd;
mod softmax;
mod thread_pool;
mod unary;

pub use affine::{Affine, AffineInPlace, affine, affine_in_place};
pub use binary::{BinaryInPlace, BinaryOp, Operand, binary, binary_in_place};
pub use blocks::MAX_BF16_ELEMENTWISE_CHANNELS;
pub use buffer::{Buffer, BufferRegion, OutOfMemory};
pub use conv::{
    Algorithm, CONV_KERNELS, Conv, ConvKernel, ConvShape, ErrorClass, Filter, PackRows, Residual,
    candidates, choose_conv, preferred_input_storage,
};
pub use copy::{Pad, copy_strided, pad};
pub use depthwise::{
    DEPTHWISE_KERNELS, Depthwise, DepthwiseKernel, DepthwiseShape, choose_depthwise,
};
pub use function::{Binary, Unary};
pub use global_average_pool::global_average_pool;
pub use image_pair::ImagePair;
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub use isa::assume_amx;
pub use isa::{CacheModel, Isa};
pub use level::{Level, UnknownLevel};
pub use lrn::{Lrn, lrn};
pub use numerics::{IntegerEpilogue, NumericOptions, Precision, UnknownFormat, WeightFormat};
pub use packed_layout::{PACKED_LAYOUTS, PackedLayout};
pub use pooling::{PoolKind, PoolShape, pool_window};
pub use resize::{CubicTaps, Resize, resize_bicubic, resize_bilinear, resize_nearest};
pub use row_tasks::{RowFn, RowTask, RowTasks};
pub use shape::{Clamp, ImageLayout, Padding, StorageType, Window};
pub use softmax::{Softmax, softmax, softmax_in_place};
pub use thread_pool::{TaskFn, ThreadPool, lend_thread, lent_threads};
pub use unary::{unary, unary_in_place};
