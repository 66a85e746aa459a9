//! The attributes of nodes that decode pictures.

use super::attributes::Attributes;
use super::{GraphDef, split_port};
use crate::error::{Error, Result};
use crate::tensor::DType;

/// The pixels that a decoding node makes of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    /// The type of its values: uint8, uint16 or float32 (0 to 1).
    pub dtype: DType,
    /// 1 or 3.
    pub channels: usize,
    /// Whether colours become grey as libpng makes it: of eight bits, the fraction is dropped.
    pub has_png_grey: bool,
    /// First row, first column, rows and columns of the part that it keeps.
    pub crop: Option<[usize; 4]>,
}

impl GraphDef {
    /// Returns what a decoding node makes of a picture.
    ///
    /// # Errors
    /// [`Error::Node`] if an attribute asks for what is not done here.
    pub(super) fn decoding(&self, index: usize) -> Result<Decoding> {
        let node = &self.nodes[index];
        let attributes = Attributes(node);
        let refused = |what: String| {
            let remedy = "decode pictures outside, and name the node that takes pixels";
            Error::node(&node.name, &node.op, format!("{what}, which is not done here: {remedy}"))
        };
        let dtype = attributes.dtype("dtype").unwrap_or(DType::U8);
        if !matches!(dtype, DType::U8 | DType::U16 | DType::F32) {
            return Err(refused(format!("it gives {dtype}")));
        }
        // DecodeImage gives a JPEG's levels times 256, a PNG's times 257.
        if dtype == DType::U16 && node.op != "DecodePng" {
            return Err(refused("it gives uint16, by a factor that depends on the format".into()));
        }
        let channels = match attributes.int("channels").unwrap_or(0) {
            0 | 3 => 3,
            1 => 1,
            other => return Err(refused(format!("it gives {other} channels"))),
        };
        if node.op == "DecodeGif" {
            return Err(refused("it gives all pictures of an animation".into()));
        }
        if let Some(ratio) = attributes.int("ratio").filter(|&ratio| ratio > 1) {
            return Err(refused(format!("it decodes pictures at 1/{ratio} of their size")));
        }
        if attributes.text("dct_method") == Some("INTEGER_ACCURATE") {
            return Err(refused("its dct_method is INTEGER_ACCURATE".into()));
        }
        if attributes.is_off("fancy_upscaling") {
            return Err(refused("its fancy_upscaling is off".into()));
        }
        let crop = match node.op.as_str() {
            "DecodeAndCropJpeg" => Some(
                self.crop_window(index)
                    .ok_or_else(|| refused("its crop window is computed".into()))?,
            ),
            _ => None,
        };
        Ok(Decoding { dtype, channels, has_png_grey: node.op == "DecodePng", crop })
    }

    fn crop_window(&self, index: usize) -> Option<[usize; 4]> {
        let window = self.nodes[index].input.get(1)?;
        let constant = self.constant(&self.nodes[*self.by_name.get(split_port(window).0)?])?;
        let sides: Vec<usize> =
            constant.to_i64().into_iter().map(usize::try_from).collect::<Result<_, _>>().ok()?;
        let window: [usize; 4] = sides.try_into().ok()?;
        (window[2] > 0 && window[3] > 0).then_some(window)
    }
}
