//! TF-Slim's options of networks.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::graph::op::Border;
use crate::names::nearest;

/// The options that not every network supports, by TF-Slim's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of `ZooOptions` say what they are.
pub enum Setting {
    SpatialSqueeze,
    GlobalPool,
    OutputStride,
    FcConvPadding,
    DepthMultiplier,
    MinDepth,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpatialSqueeze => "spatial_squeeze",
            Self::GlobalPool => "global_pool",
            Self::OutputStride => "output_stride",
            Self::FcConvPadding => "fc_conv_padding",
            Self::DepthMultiplier => "depth_multiplier",
            Self::MinDepth => "min_depth",
        })
    }
}

/// The arguments of TF-Slim's functions, with its defaults for inference.
#[derive(Clone, Debug)]
pub struct ZooOptions {
    /// The number of classes. `None` follows the variables; `Some(0)` ends the network at its
    /// features.
    pub num_classes: Option<usize>,
    /// Whether logits of a single pixel lose their spatial dimensions. Off for maps of classes.
    pub spatial_squeeze: bool,
    /// Whether the last pool covers the whole map at any size; `None` is the network's default.
    pub global_pool: Option<bool>,
    /// The maximum ratio of the image's size to the last map's. Further strides become dilations of
    /// the following layers.
    pub output_stride: Option<usize>,
    /// The padding of the last pool's map for VGG's first fully connected layer.
    pub fc_conv_padding: Border,
    /// The factor for the channels of every layer; `None` follows the variables.
    pub depth_multiplier: Option<f64>,
    /// The minimum channels of a layer after the factor; `None` is the network's default.
    pub min_depth: Option<usize>,
    /// The last end point to build; variables of later layers need not exist.
    pub final_endpoint: Option<String>,
    /// Whether to build the auxiliary classifier, if the file has it and the image is large enough.
    pub create_aux_logits: bool,
    /// Height and width of the images. Windows shrink where TF-Slim's do; `None` stands for images
    /// of at least the published size.
    pub size: Option<[usize; 2]>,
}

impl Default for ZooOptions {
    fn default() -> Self {
        Self {
            num_classes: None,
            spatial_squeeze: true,
            global_pool: None,
            output_stride: None,
            fc_conv_padding: Border::Valid,
            depth_multiplier: None,
            min_depth: None,
            final_endpoint: None,
            create_aux_logits: true,
            size: None,
        }
    }
}

impl ZooOptions {
    /// Sets an option by TF-Slim's name: `output_stride=16`. TF-Slim's `None` is `none`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an unknown name, [`Error::Input`] for an invalid value.
    pub fn set(&mut self, option: &str) -> Result<()> {
        let (name, value) =
            option.split_once('=').map(|(name, value)| (name.trim(), value.trim())).ok_or_else(
                || Error::Input(format!("'{option}': give NAME=VALUE, such as output_stride=16")),
            )?;
        match name {
            // Without classes, the network ends at its features.
            "num_classes" if is_none(value) => self.num_classes = Some(0),
            "num_classes" => {
                self.num_classes = Some(number(name, value, "a number of classes, or none")?);
            }
            "spatial_squeeze" => self.spatial_squeeze = flag(name, value)?,
            "global_pool" => self.global_pool = Some(flag(name, value)?),
            "output_stride" if is_none(value) => self.output_stride = None,
            "output_stride" => {
                self.output_stride =
                    Some(number(name, value, "a number of pixels such as 16, or none")?);
            }
            "fc_conv_padding" => self.fc_conv_padding = padding(value)?,
            "depth_multiplier" => {
                self.depth_multiplier = Some(number(name, value, "a factor such as 0.5")?);
            }
            "min_depth" => self.min_depth = Some(number(name, value, "a number of channels")?),
            "final_endpoint" => self.final_endpoint = Some(value.to_owned()),
            _ => {
                let nearest = nearest(name, NAMES);
                return Err(Error::Unknown {
                    kind: "option of networks",
                    name: name.into(),
                    nearest,
                });
            }
        }
        Ok(())
    }

    /// Returns the options that differ from their defaults, as [`set`](Self::set) takes them.
    pub fn written(&self) -> Vec<String> {
        let valid = self.fc_conv_padding == Border::Valid;
        [
            self.num_classes.map(|n| format!("num_classes={n}")),
            (!self.spatial_squeeze).then(|| "spatial_squeeze=false".into()),
            self.global_pool.map(|on| format!("global_pool={on}")),
            self.output_stride.map(|stride| format!("output_stride={stride}")),
            (!valid).then(|| "fc_conv_padding=SAME".into()),
            self.depth_multiplier.map(|factor| format!("depth_multiplier={factor}")),
            self.min_depth.map(|depth| format!("min_depth={depth}")),
            self.final_endpoint.as_ref().map(|name| format!("final_endpoint={name}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the options that differ from their defaults and that not every network supports.
    pub(super) fn changed(&self) -> impl Iterator<Item = Setting> {
        [
            (!self.spatial_squeeze, Setting::SpatialSqueeze),
            (self.global_pool.is_some(), Setting::GlobalPool),
            (self.output_stride.is_some(), Setting::OutputStride),
            (self.fc_conv_padding != Border::Valid, Setting::FcConvPadding),
            (self.depth_multiplier.is_some(), Setting::DepthMultiplier),
            (self.min_depth.is_some(), Setting::MinDepth),
        ]
        .into_iter()
        .filter_map(|(set, setting)| set.then_some(setting))
    }
}

/// The names of all options.
const NAMES: [&str; 8] = [
    "num_classes",
    "spatial_squeeze",
    "global_pool",
    "output_stride",
    "fc_conv_padding",
    "depth_multiplier",
    "min_depth",
    "final_endpoint",
];

fn is_none(value: &str) -> bool {
    value.eq_ignore_ascii_case("none")
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::Input(format!("{name} '{value}': give true or false"))),
    }
}

fn number<N: FromStr>(name: &str, value: &str, what: &str) -> Result<N> {
    value.parse().map_err(|_| Error::Input(format!("{name} '{value}': give {what}")))
}

fn padding(value: &str) -> Result<Border> {
    match value.to_ascii_uppercase().as_str() {
        "VALID" => Ok(Border::Valid),
        "SAME" => Ok(Border::Same),
        _ => Err(Error::Input(format!("fc_conv_padding '{value}': give VALID or SAME"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_as_they_are_set() {
        let all = [
            "num_classes=5",
            "spatial_squeeze=false",
            "global_pool=true",
            "output_stride=16",
            "fc_conv_padding=SAME",
            "depth_multiplier=0.5",
            "min_depth=8",
            "final_endpoint=Mixed_5c",
        ];
        let mut options = ZooOptions::default();
        all.iter().for_each(|option| options.set(option).unwrap());
        assert_eq!(options.written(), all);
        assert!(ZooOptions::default().written().is_empty());
        options.set("num_classes=None").unwrap();
        assert_eq!(options.num_classes, Some(0));
    }

    #[test]
    fn what_cannot_be_set_is_said() {
        let message = |option| ZooOptions::default().set(option).unwrap_err().to_string();
        assert!(message("output_strde=16").contains("output_stride"));
        assert_eq!(
            message("output_stride=big"),
            "output_stride 'big': give a number of pixels such as 16, or none"
        );
        assert_eq!(message("global_pool=1"), "global_pool '1': give true or false");
        assert!(message("16").starts_with("'16': give NAME=VALUE"));
    }
}
