//! How photos are analysed for a library: the options of `index` and `fleet run`.

use anyhow::Result;
use clap::Args;
use lorgnette::faces::MIN_PROBABILITY;
use lorgnette::picture::OpenOptions;
use lorgnette_library::{FaceAnalyser, ModelRecord, NetworkAnalyser};

use crate::arguments::{DecodeArguments, Global, InputArguments};
use crate::messages::Messages;
use crate::model;
use crate::stream::WorkSplit;
use crate::verbs::faces::FaceArguments;

/// Options of analyses: the model, faces, maps, and how photos are opened.
#[derive(Debug, Args)]
pub(crate) struct AnalysisArguments {
    /// Side in pixels of the square that has the area at which a photo is mapped for regions; 0 for
    /// no map
    #[arg(long, value_name = "N", default_value_t = 640)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=8192))]
    map_side: u32,

    /// Also look for faces, so that 'face in the middle', 'faces >= 3' and 'no faces' can be asked.
    /// A library with faces gets those of new photos without this, too
    #[arg(long)]
    faces: bool,

    #[command(flatten)]
    face: FaceArguments,

    /// Ignore the orientation in EXIF; without this, photos are turned upright
    #[arg(long)]
    ignore_orientation: bool,

    /// Refuse photos of more pixels
    #[arg(long, value_name = "N", default_value_t = OpenOptions::default().max_pixels)]
    max_pixels: u64,

    #[command(flatten)]
    decode: DecodeArguments,

    #[command(flatten)]
    input: InputArguments,
}

/// The network that analyses photos.
pub(crate) struct Analysis {
    pub(crate) network: NetworkAnalyser,
    pub(crate) record: ModelRecord,
    /// How photos are opened for it.
    pub(crate) open: OpenOptions,
    /// Number of photos that are analysed at the same time.
    pub(crate) workers: usize,
    /// The name of the instruction set.
    pub(crate) level: &'static str,
}

impl AnalysisArguments {
    /// Opens the network.
    pub(crate) fn network(&self, global: &Global, messages: Messages) -> Result<Analysis> {
        let model = model::open_for_photos(&self.input, &global.for_library(), messages)?;
        let model_ref = global.model_ref(None)?;
        let network = NetworkAnalyser::new(&model, self.map_side as usize)
            .map_err(model::with_path(&model_ref))?;
        let open =
            self.decode.open_options(&self.open_options(), network.min_decode_size(), messages);
        let record = ModelRecord::new(&network, &open).map_err(model::with_path(&model_ref))?;
        let WorkSplit { workers, .. } = WorkSplit::new(model.threads(), usize::MAX);
        let level = model.network().run_options().level.name();
        Ok(Analysis { network, record, open, workers, level })
    }

    /// Opens the face detector; `None` unless faces are asked for.
    pub(crate) fn faces(&self, global: &Global) -> Result<Option<(FaceAnalyser, ModelRecord)>> {
        if self.asks_for_faces() { self.face_analyser(global).map(Some) } else { Ok(None) }
    }

    /// Opens the face detector.
    pub(crate) fn face_analyser(&self, global: &Global) -> Result<(FaceAnalyser, ModelRecord)> {
        let faces = FaceAnalyser::new(self.face.open(MIN_PROBABILITY, global)?);
        let record = faces.record(&self.open_options())?;
        Ok((faces, record))
    }

    /// Whether faces are asked for.
    pub(crate) fn asks_for_faces(&self) -> bool {
        self.faces || self.face.face_model.is_some()
    }

    /// How photos are opened at full size, as faces need them.
    pub(crate) fn open_options(&self) -> OpenOptions {
        let Self { ignore_orientation, max_pixels, .. } = *self;
        OpenOptions { ignore_orientation, max_pixels, ..OpenOptions::default() }
    }
}
