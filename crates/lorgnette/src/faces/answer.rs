//! The answer about a photo's faces.

use serde::Serialize;

use super::Face;

/// The faces of one photo, as JSON has them.
#[derive(Clone, Debug, Serialize)]
pub struct FacesAnswer {
    /// The photo's name.
    pub photo: String,
    /// Its width in pixels.
    pub width: usize,
    /// Its height in pixels.
    pub height: usize,
    /// The name of the face model.
    pub model: String,
    /// The scales at which the photo was searched, its own first.
    pub scales: Vec<f32>,
    /// The faces, the most probable first.
    pub faces: Vec<Face>,
}
