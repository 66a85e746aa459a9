//! Tensors in, tensors out.

use lorgnette::net::{DType, Network, Session, Tensor};
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::decoded_image;
use savvy::{ListSexp, OwnedListSexp, Sexp};

use crate::arrays::{self, Array};
use crate::error::{Failure, OrFail as _};
use crate::photo::Photo;
use crate::work::interruptible;

/// A value that is fed.
#[derive(Debug)]
struct Feed {
    name: String,
    array: Array,
}

/// Computes `fetches` from `feeds`. A value with three dimensions that is fed to `image_input` is
/// one photo: it gets a batch dimension. Scalars are settings.
pub(crate) fn run(
    network: &Network,
    image_input: &str,
    feeds: &ListSexp,
    fetches: &[String],
) -> savvy::Result<Sexp> {
    let mut fed = Vec::with_capacity(feeds.len());
    for (name, value) in feeds.iter() {
        let mut feed = Feed::new(network, name, value)?;
        if feed.array.shape.len() == 3 && node_name(name) == image_input {
            feed.array.shape.insert(0, 1);
        }
        fed.push(feed);
    }
    let session = interruptible(None, |_| computed(network, &fed, fetches))?;
    let mut tensors = OwnedListSexp::new(fetches.len(), true)?;
    for (index, name) in fetches.iter().enumerate() {
        let shape = &session.outputs()[index].fact.shape;
        let values = session.output_at(index).or_fail()?;
        tensors.set_value(index, arrays::to_r(values, shape)?)?;
        tensors.set_name(index, name)?;
    }
    Ok(tensors.into())
}

fn computed(network: &Network, fed: &[Feed], fetches: &[String]) -> Result<Session, Failure> {
    let mut shapes = Vec::with_capacity(fed.len());
    let mut settings = Vec::new();
    for Feed { name, array } in fed {
        match array.shape.as_slice() {
            [] => settings
                .push((name.as_str(), Tensor::from_floats(DType::F32, &[], array.values.clone()))),
            shape => shapes.push((name.as_str(), shape)),
        }
    }
    let fetches: Vec<&str> = fetches.iter().map(String::as_str).collect();
    let mut session = network.session_with(&shapes, &settings, &fetches).or_fail()?;
    for Feed { name, array } in fed {
        // Outputs need not depend on everything that is fed.
        if session.input_shape(name).is_ok() {
            session.input_mut(name).or_fail()?.copy_from_slice(&array.values);
        }
    }
    session.run().or_fail()?;
    Ok(session)
}

/// The name of the node that has the tensor of this name.
fn node_name(tensor: &str) -> &str {
    tensor.strip_suffix(":0").unwrap_or(tensor)
}

impl Feed {
    /// Reads an array, or decodes the photo that a decoding node is fed.
    fn new(network: &Network, name: &str, value: Sexp) -> Result<Self, Failure> {
        if let (false, Some(decoder)) = (value.is_real(), network.decoder(name)) {
            return Self::decoded(network, decoder, value);
        }
        Ok(Self { name: name.to_owned(), array: Array::from_r(value, name)? })
    }

    /// The pixels of a photo as the node `decoder` decodes them: as stored, without EXIF
    /// orientation.
    fn decoded(network: &Network, decoder: &str, photo: Sexp) -> Result<Self, Failure> {
        let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
        let picture = Photo::from_r(photo, "", 1)?.open(&options).or_fail()?;
        let decoding = network.decoding(decoder).or_fail()?.ok_or_else(|| {
            Failure::new(format!("'{decoder}' does not decode photos of one kind"))
        })?;
        let image = decoded_image(&picture, &decoding).map_err(Failure::new)?;
        let array = Array { shape: image.shape.to_vec(), values: image.values };
        Ok(Self { name: decoder.to_owned(), array })
    }
}
