//! AVIF: boxes through `heifer-isobmff`, AV1 through `re_rav1d`.
//!
//! Colours are converted as libavif and libyuv do it, and so Chromium and Pillow. Ten and twelve
//! bits become eight, alpha is dropped. The properties of the file crop and turn the picture
//! (`clap`, `irot`, `imir`); the orientation in EXIF is what the camera held and is not applied. Of
//! an animation the still picture is decoded.

use heifer_isobmff::boxes::{ColorInfo, Property};
use heifer_isobmff::{Error, HeifFile, ItemId};
use image::metadata::Orientation;

use self::colour::{Coding, Converter};
use self::crop::Crop;
use self::planes::Planes;
use super::open::{Decoded, Source};
use super::{PictureError, Pixels};

mod av1;
mod colour;
mod crop;
mod planes;

/// Decodes the primary image.
pub(super) fn decode(source: &Source<'_>) -> Result<Decoded, PictureError> {
    let photo = Photo::new(source)?;
    let (width, height) = photo.size(photo.file.primary_id)?;
    source.check_size(width, height)?;
    let crop = photo.crop(width, height)?;
    let item = photo.file.primary_item().map_err(|error| photo.error(&error))?;
    let planes = match &item.item_type.0 {
        b"grid" => photo.grid(width, height)?,
        _ => photo.tile(item.id, width, height)?,
    };
    let coding = photo.coding(&planes)?;
    let converter = Converter::new(&coding, &planes)
        .ok_or_else(|| source.unsupported(format!("an AVIF photo with {}", coding.described())))?;
    let rgb = converter.rgb(&planes, &crop);
    let (width, height) = (crop.width, crop.height);
    Ok(Decoded {
        width,
        height,
        source_size: (width, height),
        source_channels: photo.channels(&planes),
        pixels: Pixels::Rgb8(rgb),
        orientation: photo.orientation()?,
    })
}

/// An AVIF file's boxes.
struct Photo<'a, 'b> {
    source: &'a Source<'b>,
    file: HeifFile<'b>,
    /// Of the primary image, in the order in which they apply.
    properties: Vec<Property>,
}

impl<'a, 'b> Photo<'a, 'b> {
    fn new(source: &'a Source<'b>) -> Result<Self, PictureError> {
        let file = HeifFile::parse(source.bytes).map_err(|error| picture_error(source, &error))?;
        let properties = file.item_properties(file.primary_id);
        let properties = properties.map_err(|error| picture_error(source, &error))?.cloned();
        let properties = properties.collect();
        Ok(Self { source, file, properties })
    }

    fn error(&self, error: &Error) -> PictureError {
        picture_error(self.source, error)
    }

    /// Width and height of an image, before cropping and turning.
    fn size(&self, id: ItemId) -> Result<(usize, usize), PictureError> {
        let size = self.file.image_size(id).map_err(|error| self.error(&error))?;
        let (width, height) =
            size.ok_or_else(|| self.source.damaged("it does not say how large it is"))?;
        Ok((width as usize, height as usize))
    }

    /// Decodes an image that is one AV1 frame of this size.
    fn tile(&self, id: ItemId, width: usize, height: usize) -> Result<Planes, PictureError> {
        let item = self.file.item(id).map_err(|error| self.error(&error))?;
        if item.item_type.0 != *b"av01" {
            let what = format!("an AVIF photo made of an image of type {}", item.item_type);
            return Err(self.source.unsupported(what));
        }
        let data = self.file.item_data(id).map_err(|error| self.error(&error))?;
        if data.is_empty() {
            return Err(self.source.damaged("its picture has no bytes"));
        }
        let planes = av1::decode(self.source, data.into_owned(), (width * height) as u64)?;
        if (planes.width, planes.height) != (width, height) {
            return Err(self.source.damaged("its picture has another size than it says"));
        }
        Ok(planes)
    }

    /// Decodes an image that is a grid of others.
    fn grid(&self, width: usize, height: usize) -> Result<Planes, PictureError> {
        let id = self.file.primary_id;
        let grid = self.file.grid(id).map_err(|error| self.error(&error))?;
        let (columns, rows) = (usize::from(grid.columns), usize::from(grid.rows));
        let tiles = self.file.referenced_items(id, b"dimg");
        let says_size = (grid.output_width as usize, grid.output_height as usize);
        if tiles.len() != columns * rows || says_size != (width, height) {
            return Err(self.source.damaged("its grid has another size than it says"));
        }
        let (tile_width, tile_height) = self.size(tiles[0])?;
        // The tiles of the last column and the last row may be cut.
        let fits = |tile: usize, count: usize, whole: usize| {
            tile.checked_mul(count).is_some_and(|all| all >= whole && all - tile < whole)
        };
        if !fits(tile_width, columns, width) || !fits(tile_height, rows, height) {
            return Err(self.source.damaged("its tiles do not make its picture"));
        }
        self.source.check_size(tile_width * columns, tile_height * rows)?;
        let mut whole: Option<Planes> = None;
        for (number, &tile) in tiles.iter().enumerate() {
            let planes = self.tile(tile, tile_width, tile_height)?;
            let whole = whole.get_or_insert_with(|| planes.empty_like(width, height));
            let (left, top) = (number % columns * tile_width, number / columns * tile_height);
            if !whole.paste(&planes, left, top) {
                return Err(self.source.damaged("its tiles differ in their kind"));
            }
        }
        whole.ok_or_else(|| self.source.damaged("its grid has no tiles"))
    }

    /// How samples stand for colours: as the file says, or else as its AV1 says.
    fn coding(&self, planes: &Planes) -> Result<Coding, PictureError> {
        let of_grid = || {
            let first = self.file.referenced_items(self.file.primary_id, b"dimg").first()?;
            self.file.item_properties(*first).ok()?.find_map(nclx)
        };
        let stated = self.properties.iter().find_map(nclx).or_else(of_grid);
        Ok(stated.unwrap_or_else(|| planes.coding.clone()))
    }

    /// The part of the stored picture that is shown.
    fn crop(&self, width: usize, height: usize) -> Result<Crop, PictureError> {
        let mut turned = false;
        let mut crop = Crop::whole(width, height);
        for property in &self.properties {
            match property {
                Property::Rotation(_) | Property::Mirror(_) => turned = true,
                Property::CleanAperture { .. } if turned => {
                    return Err(self
                        .source
                        .unsupported("an AVIF photo that is cropped when turned"));
                }
                Property::CleanAperture { width, height, horiz_offset, vert_offset } => {
                    crop = crop
                        .clean_aperture([*width, *height], [*horiz_offset, *vert_offset])
                        .ok_or_else(|| self.source.damaged("it is cropped beyond its edges"))?;
                }
                _ => {}
            }
        }
        Ok(crop)
    }

    /// The orientation of the stored picture by `irot` and `imir`, which apply one after another.
    fn orientation(&self) -> Result<Orientation, PictureError> {
        // Clockwise quarter turns, and then left and right exchanged.
        let (mut turns, mut mirrored) = (0_u8, false);
        for property in &self.properties {
            match *property {
                Property::Rotation(counterclockwise) if mirrored => turns += counterclockwise & 3,
                Property::Rotation(counterclockwise) => turns += 4 - (counterclockwise & 3),
                Property::Mirror(top_and_bottom) => {
                    mirrored = !mirrored;
                    turns += if top_and_bottom { 2 } else { 0 };
                }
                _ => {}
            }
            turns %= 4;
        }
        Ok(match (turns, mirrored) {
            (0, false) => Orientation::NoTransforms,
            (1, false) => Orientation::Rotate90,
            (2, false) => Orientation::Rotate180,
            (_, false) => Orientation::Rotate270,
            (0, true) => Orientation::FlipHorizontal,
            (1, true) => Orientation::Rotate90FlipH,
            (2, true) => Orientation::FlipVertical,
            (_, true) => Orientation::Rotate270FlipH,
        })
    }

    /// Number of channels, alpha included.
    fn channels(&self, planes: &Planes) -> u8 {
        let auxiliaries = self.file.referencing_items(self.file.primary_id, b"auxl");
        let is_alpha = |property: &Property| match property {
            Property::AuxiliaryType(kind) => kind.contains("alpha") || kind.ends_with("auxid:1"),
            _ => false,
        };
        let has_alpha = auxiliaries.into_iter().any(|id| {
            self.file.item_properties(id).is_ok_and(|mut properties| properties.any(is_alpha))
        });
        let colours = if planes.is_grey() { 1 } else { 3 };
        colours + u8::from(has_alpha)
    }
}

fn nclx(property: &Property) -> Option<Coding> {
    match property {
        Property::Color(ColorInfo::Nclx { primaries, matrix, full_range, .. }) => {
            Some(Coding { primaries: *primaries, matrix: *matrix, full_range: *full_range })
        }
        _ => None,
    }
}

fn picture_error(source: &Source<'_>, error: &Error) -> PictureError {
    match error {
        Error::UnexpectedEof => {
            let length = source.bytes.len();
            source.ends_early(format!("it stops at {length} bytes, within the picture"))
        }
        Error::MissingBox(kind) if kind.0 == *b"meta" || kind.0 == *b"pitm" => {
            source.unsupported("an animated AVIF without a still picture")
        }
        Error::Unimplemented(what) => source.unsupported(format!("an AVIF photo with {what}")),
        _ => source.damaged(error.to_string()),
    }
}
