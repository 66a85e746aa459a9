//! Search for similar photos.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::bytes;
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::library::Library;
use crate::photo::State;
use crate::signature;

/// Minimum number of nearest signatures, or twice the number of photos asked for, whose cosine is
/// computed: the distance of 512 bits is approximate. `bench/library_recall.py` measures recall:
/// all of the ten nearest of 100,000 photos.
const MIN_CANDIDATES: usize = 1000;

/// A similar photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Similar {
    /// Id in the library.
    pub id: i64,
    /// Path.
    pub path: PathBuf,
    /// Cosine of the angle between the features, at most 1.
    pub similarity: f64,
}

/// A model of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// Id in the library.
    pub id: i64,
    /// Name; "you" for the user.
    pub name: String,
    /// See [`crate::ModelRecord::fingerprint`]; `None` for the user.
    pub fingerprint: Option<[u8; 32]>,
    /// Settings of the analysis, as JSON.
    pub settings: String,
    /// Length of a feature vector; 0 if the model has none.
    pub features: usize,
    /// Number of photos analysed.
    pub photos: usize,
}

impl ModelEntry {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            fingerprint: row.get_ref(2)?.as_blob()?.try_into().ok(),
            settings: row.get(3)?,
            features: row.get(4)?,
            photos: row.get(5)?,
        })
    }

    /// Returns the side of the map, as [`crate::NetworkAnalyser::new`] takes it.
    #[must_use]
    pub fn map_side(&self) -> usize {
        self.setting("map_side").as_u64().map_or(0, |side| side.min(1 << 16) as usize)
    }

    /// Returns the minimum rows and columns to decode, as
    /// [`OpenOptions::min_decode_size`](lorgnette::picture::OpenOptions::min_decode_size).
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        let sides = self.setting("least_size");
        let side = |place: usize| usize::try_from(sides[place].as_u64()?).ok();
        Some([side(0)?, side(1)?])
    }

    /// Returns a setting; null if there is none of that name.
    fn setting(&self, name: &str) -> serde_json::Value {
        let mut settings: serde_json::Value =
            serde_json::from_str(&self.settings).unwrap_or_default();
        settings[name].take()
    }
}

impl Library {
    /// Returns the models in the order of their ids.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn models(&self) -> Result<Vec<ModelEntry>> {
        let sql = "SELECT id, name, fingerprint, settings, features, (SELECT count(*) \
             FROM analysis WHERE model = model.id)
                   FROM model ORDER BY id";
        let mut statement = self.connection().prepare(sql)?;
        Ok(statement.query_map([], ModelEntry::from_row)?.collect::<Result<_, _>>()?)
    }

    /// Returns the model with features that has analysed the most photos, the first of equal ones.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn model_with_features(&self) -> Result<Option<ModelEntry>> {
        let with_features = self.models()?.into_iter().filter(|model| model.features > 0);
        Ok(with_features.rev().max_by_key(|model| model.photos))
    }

    /// Returns the features of a photo by `model`; `None` if there are none.
    ///
    /// # Errors
    /// If the photo is not in the library.
    pub fn features(&self, photo: &Path, model: i64) -> Result<Option<Vec<f32>>> {
        let sql = "SELECT vector, features FROM feature JOIN model ON model.id = model \
                   WHERE photo = ? AND model = ?";
        let id = self.photo_id(photo)?;
        let feature = self
            .connection()
            .query_row(sql, params![id, model], Feature::from_row)
            .optional()?
            .flatten();
        Ok(feature.map(|feature| feature.numbers().collect()))
    }

    /// Returns up to `limit` present photos whose features have a cosine of at least `threshold` to
    /// `features`, in descending order.
    ///
    /// # Errors
    /// If the library has no features of this model, or of another length.
    pub fn similar(
        &self,
        model: i64,
        features: &[f32],
        limit: usize,
        threshold: f64,
    ) -> Result<Vec<Similar>> {
        if feature_length(self.connection(), model)? != features.len() {
            return Err(no_features());
        }
        let query = Feature::new(features);
        let candidates = MIN_CANDIDATES.max(limit.saturating_mul(2)).min(1 << 20);
        let mut similar = Vec::new();
        for (_, id) in signature::nearest(self.connection(), model, &query.signature(), candidates)?
        {
            similar.extend(
                self.candidate(model, id, &query)?
                    .filter(|candidate| candidate.similarity >= threshold),
            );
        }
        similar.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
        similar.truncate(limit);
        Ok(similar)
    }

    /// Computes the similarity of a candidate; `None` if the feature is gone or its photo is not
    /// present.
    fn candidate(&self, model: i64, feature: i64, query: &Feature) -> Result<Option<Similar>> {
        let sql = "SELECT photo.id, path, vector FROM feature JOIN photo ON photo.id = photo
                   WHERE feature.id = ? AND model = ? AND state = ?";
        let mut statement = self.connection().prepare_cached(sql)?;
        let length = query.numbers().len();
        let from_row = |row: &rusqlite::Row<'_>| {
            let feature = Feature::from_bytes(row.get_ref(2)?.as_blob()?, length);
            let path = bytes::path_at(row, 1)?;
            let id = row.get(0)?;
            Ok(feature.map(|feature| Similar { id, path, similarity: query.cosine(&feature) }))
        };
        Ok(statement
            .query_row(params![feature, model, State::Present], from_row)
            .optional()?
            .flatten())
    }
}

/// Returns the length of a model's feature vectors.
pub(crate) fn feature_length(connection: &Connection, model: i64) -> Result<usize> {
    let sql = "SELECT features FROM model WHERE id = ? AND features > 0";
    connection.query_row(sql, [model], |row| row.get(0)).optional()?.ok_or_else(no_features)
}

fn no_features() -> Error {
    Error::Request("the library has no features of this model".into())
}
