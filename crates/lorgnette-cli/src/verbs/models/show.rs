//! `lorgnette models show`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use lorgnette::net::summary::Summary;
use lorgnette::net::weights::Weights;
use lorgnette::net::zoo::{Architecture, Published};
use lorgnette::net::{DType, SavedSignature, SavedTensor};
use lorgnette::preprocess::PreprocessingNumbers;
use lorgnette::{EMBEDDED_NAME, Model, ModelOptions, ModelStore, catalogue};
use lorgnette_library::{short_number, short_size};
use serde::Serialize;

use crate::Outcome;
use crate::arguments::{Global, ReportFormat};
use crate::messages::Messages;
use crate::model;
use crate::stream::{write_json, write_report};

/// Show a model's parts: scopes, variables, end points, preprocessing
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A model's name, installed or not, or any path that --model takes
    #[arg(value_name = "MODEL")]
    named: Option<OsString>,

    /// Show every variable
    #[arg(long)]
    variables: bool,

    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// The JSON of a model.
#[derive(Default, Serialize)]
struct ModelDescription {
    name: String,
    network: Option<&'static str>,
    family: Option<&'static str>,
    paper: Option<&'static str>,
    source: Option<String>,
    path: Option<String>,
    installed: bool,
    bytes: Option<u64>,
    sha256: Option<String>,
    /// Empty if photos of any size are taken.
    input: Vec<usize>,
    preprocessing: String,
    /// The rule by which it was chosen; absent for a model that is not opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    preprocessing_rule: Option<String>,
    classes: Option<usize>,
    labels: Option<String>,
    parameters: Option<u64>,
    macs: Option<u64>,
    top1: Option<f32>,
    top5: Option<f32>,
    scopes: Vec<Scope>,
    end_points: Vec<EndPoint>,
    variables: Vec<Variable>,
    /// Those of a SavedModel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<Signature>,
    /// The preprocessing in numbers; absent for a model that is not opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    preprocessing_numbers: Option<PreprocessingNumbers>,
    /// Variables of the checkpoint that no layer takes.
    unused_variables: Vec<String>,
}

#[derive(Serialize)]
struct Signature {
    name: String,
    chosen: bool,
    /// Name, type and shape.
    inputs: Vec<String>,
    outputs: Vec<String>,
}

#[derive(Serialize)]
struct Scope {
    name: String,
    variables: usize,
    parameters: u64,
}

#[derive(Serialize)]
struct EndPoint {
    name: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    shape: Vec<usize>,
    r#type: String,
}

/// Shows the model.
pub(super) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let named = arguments.named.as_deref().or(global.model.as_deref());
    let description = match named.and_then(|name| catalogue::find(name.to_str()?).ok()) {
        Some(entry) if named != Some(EMBEDDED_NAME.as_ref()) => {
            ModelDescription::published(&entry)?
        }
        _ => ModelDescription::opened(arguments, global, messages)?,
    };
    write_report(|out| match arguments.format {
        ReportFormat::Json => write_json(out, &description),
        ReportFormat::Text => description.write(out, arguments.variables),
    })?;
    Ok(Outcome::Done)
}

impl Signature {
    fn new(signature: &SavedSignature) -> Self {
        let tensors = |tensors: &[SavedTensor]| tensors.iter().map(ToString::to_string).collect();
        Self {
            name: signature.name.clone(),
            chosen: signature.is_chosen,
            inputs: tensors(&signature.inputs),
            outputs: tensors(&signature.outputs),
        }
    }
}

impl ModelDescription {
    /// A published model: from its architecture, and from its file if that is installed.
    fn published(entry: &catalogue::Entry) -> Result<Self> {
        let model_store = ModelStore::from_env();
        let path = model_store.as_ref().and_then(|model_store| model_store.installed(entry));
        let download_record =
            model_store.as_ref().and_then(|model_store| model_store.download_record(entry));
        let mut description = Self {
            name: entry.name.clone(),
            source: Some(entry.published.url.into()),
            installed: path.is_some(),
            bytes: path
                .as_ref()
                .and_then(|path| Some(path.metadata().ok()?.len()))
                .or(entry.published.bytes),
            sha256: download_record.map(|download_record| download_record.sha256),
            top1: entry.published.top1,
            top5: entry.published.top5,
            ..Self::default()
        };
        description.add_table(entry.net, entry.published)?;
        if let Some(path) = path {
            let options = ModelOptions { model_store, ..ModelOptions::default() };
            let opened = entry.open_file(&path, &options)?;
            description.add_model(&opened);
            description.path = Some(path.display().to_string());
        }
        Ok(description)
    }

    /// Adds the architecture's facts.
    fn add_table(&mut self, net: &'static Architecture, published: &Published) -> Result<()> {
        let cost = net.cost(published)?;
        self.add_net(net);
        (self.parameters, self.macs) = (Some(cost.parameters), Some(cost.macs));
        self.input = vec![1, published.side, published.side, net.channels];
        (self.preprocessing, self.classes) = (net.preprocessing.into(), Some(net.classes));
        self.end_points =
            cost.end_points.into_iter().map(|(name, shape)| EndPoint { name, shape }).collect();
        let variable = |(name, shape)| Variable { name, shape, r#type: "float32".into() };
        self.set_variables(cost.variables.into_iter().map(variable).collect());
        Ok(())
    }

    fn add_net(&mut self, net: &'static Architecture) {
        (self.network, self.family, self.paper) =
            (Some(net.name), Some(net.family), Some(net.paper));
    }

    /// Any model that `--model` takes.
    fn opened(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Self> {
        let options = global.model_options()?;
        let opened = model::open(arguments.named.as_deref(), global, &options, messages)?;
        let mut description =
            Self { name: opened.name().to_owned(), installed: true, ..Self::default() };
        description.add_model(&opened);
        let path = model::path(arguments.named.as_deref(), global)?;
        description.path = path.as_ref().map(|path| path.display().to_string());
        if let (Some(_), Some(path)) = (opened.network().net(), &path) {
            let weights = match ModelStore::from_env() {
                Some(model_store) => Weights::open_archived(path, model_store.folder())?,
                None => bail!("set LORGNETTE_HOME to a folder"),
            };
            let variables = weights.variables().iter();
            let variable = |v: &lorgnette::net::weights::Variable| Variable {
                name: v.name().into(),
                shape: v.shape().to_vec(),
                r#type: v.type_name(),
            };
            description.set_variables(variables.map(variable).collect());
        } else {
            let variables = opened.network().variables().into_iter();
            let variable = |(name, dtype, shape): (String, DType, Vec<usize>)| {
                let r#type = dtype.to_string();
                Variable { name, shape, r#type }
            };
            description.set_variables(variables.map(variable).collect());
        }
        Ok(description)
    }

    /// Adds the opened model's facts.
    fn add_model(&mut self, opened: &Model) {
        let preprocess = opened.preprocess();
        if let Some(net) = opened.network().net() {
            self.add_net(net);
        }
        let takes_decoded_image = opened.signature().input.takes_decoded_image;
        let [height, width] = if takes_decoded_image {
            model::ANY_PHOTO
        } else {
            [preprocess.height, preprocess.width]
        };
        self.input = if takes_decoded_image {
            Vec::new()
        } else {
            vec![1, height, width, preprocess.channels]
        };
        self.preprocessing = model::preprocessing_name(opened);
        self.preprocessing_rule = Some(opened.preprocess_rule().to_string());
        self.signatures = opened.network().saved_signatures().iter().map(Signature::new).collect();
        self.preprocessing_numbers = opened.preprocessing_numbers();
        self.unused_variables = opened.network().unused_variables().to_vec();
        self.classes = opened.classifies().then(|| opened.labels().len());
        self.labels = opened.classifies().then(|| model::describe_labels(opened.labels()));
        if self.end_points.is_empty() {
            let size = [height, width];
            // A model need not have end points.
            if let Ok(end_points) = opened.network().end_points(size) {
                self.end_points =
                    end_points.into_iter().map(|(name, shape)| EndPoint { name, shape }).collect();
            }
            let summary = opened.network().summary(size, None).ok();
            self.parameters = summary.as_ref().map(Summary::parameters);
            self.macs = summary.as_ref().map(Summary::macs);
        }
    }

    fn set_variables(&mut self, variables: Vec<Variable>) {
        let mut scopes: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for variable in &variables {
            let scope = scopes.entry(block(&variable.name)).or_default();
            scope.0 += 1;
            if !variable.name.contains("/moving_") {
                scope.1 += variable.shape.iter().product::<usize>() as u64;
            }
        }
        let scope = |(name, (variables, parameters))| Scope { name, variables, parameters };
        self.scopes = scopes.into_iter().map(scope).collect();
        self.scopes.sort_by_key(|scope| natural(&scope.name));
        self.variables = variables;
    }

    fn write(&self, out: &mut dyn Write, all: bool) -> io::Result<()> {
        let mut line = |name: &str, value: Option<String>| match value {
            Some(value) => writeln!(out, "{name:<14} {value}"),
            None => Ok(()),
        };
        let text = |text: Option<&'static str>| text.map(str::to_owned);
        line("name", Some(self.name.clone()))?;
        line(
            "network",
            self.network.map(|network| format!("{network} ({})", self.family.unwrap_or_default())),
        )?;
        line("paper", text(self.paper))?;
        line("source", self.source.clone())?;
        let absent = || format!("no: lorgnette models pull {}", self.name);
        let here =
            if self.installed { self.path.clone().unwrap_or("built in".into()) } else { absent() };
        line("installed", Some(here))?;
        line("size", self.bytes.map(short_size))?;
        line("SHA-256", self.sha256.clone())?;
        line(
            "input",
            Some(if self.input.is_empty() {
                "a photo of any size".into()
            } else {
                product(&self.input)
            }),
        )?;
        let rule = self.preprocessing_rule.as_ref().map(|rule| format!(" ({rule})"));
        line("preprocessing", Some(self.preprocessing.clone() + &rule.unwrap_or_default()))?;
        line("in numbers", self.preprocessing_numbers.as_ref().map(ToString::to_string))?;
        line("classes", self.labels.clone().or(self.classes.map(|classes| classes.to_string())))?;
        line("parameters", self.parameters.map(short_number))?;
        line("MACs", self.macs.map(short_number))?;
        let unused = (!self.unused_variables.is_empty()).then(|| self.unused_variables.join(", "));
        line("unused", unused)?;
        line("top-1, top-5", self.top1.map(|top1| accuracy(top1, self.top5)))?;
        self.write_lists(out, all)
    }

    fn write_lists(&self, out: &mut dyn Write, all: bool) -> io::Result<()> {
        /// Maximum width of a column; a width in a format panics beyond 65,535.
        const MAX_WIDTH: usize = 200;
        let longest = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| name.chars().count()).max().unwrap_or(0).min(MAX_WIDTH)
        };
        if !self.signatures.is_empty() {
            writeln!(out, "\nsignatures")?;
        }
        for Signature { name, chosen, inputs, outputs } in &self.signatures {
            let mark = if *chosen { " (used)" } else { "" };
            writeln!(out, "  {name}{mark}  {} -> {}", inputs.join(", "), outputs.join(", "))?;
        }
        if !self.scopes.is_empty() {
            writeln!(out, "\nscopes (variables, parameters)")?;
        }
        let width = longest(&mut self.scopes.iter().map(|scope| scope.name.as_str()));
        for Scope { name, variables, parameters } in &self.scopes {
            writeln!(out, "  {name:<width$}  {variables:>4}  {:>8}", short_number(*parameters))?;
        }
        writeln!(out, "\nend points")?;
        let width = longest(&mut self.end_points.iter().map(|point| point.name.as_str()));
        for EndPoint { name, shape } in &self.end_points {
            writeln!(out, "  {name:<width$}  {}", product(shape))?;
        }
        if all {
            writeln!(out, "\nvariables")?;
            for Variable { name, shape, r#type } in &self.variables {
                writeln!(out, "  {name}  {}  {}", r#type, product(shape))?;
            }
        }
        Ok(())
    }
}

/// The block of a variable: the first two scopes of its name, without the layer's own variables.
fn block(variable: &str) -> String {
    let scopes: Vec<&str> = variable.split('/').collect();
    let depth = (scopes.len() - 1).clamp(1, 2);
    scopes[..depth].join("/")
}

/// A sort key that puts `Conv2d_2` before `Conv2d_10`: each number is preceded by its length.
fn natural(name: &str) -> String {
    let mut key = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        key += &format!("{}{:>20}", &rest[..start], &rest[start..start + digits]);
        rest = &rest[start + digits..];
    }
    key + rest
}

/// `1x224x224x3`.
fn product(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if sides.is_empty() { "scalar".into() } else { sides.join("x") }
}

fn accuracy(top1: f32, top5: Option<f32>) -> String {
    top5.map_or_else(|| format!("{top1:.1} %"), |top5| format!("{top1:.1} %, {top5:.1} %"))
}

#[cfg(test)]
mod tests {
    use super::{block, natural};

    #[test]
    fn scopes_are_in_the_order_of_their_numbers() {
        let mut names = ["a/Conv2d_10_x", "a/Conv2d_2_y", "a/Conv2d_10", "a/Conv2d_1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a/Conv2d_1", "a/Conv2d_2_y", "a/Conv2d_10", "a/Conv2d_10_x"]);
    }

    #[test]
    fn a_block_is_two_scopes() {
        assert_eq!(
            block("InceptionV3/Mixed_5b/Branch_0/Conv2d_0a_1x1/weights"),
            "InceptionV3/Mixed_5b"
        );
        assert_eq!(block("LeNet/conv1/weights"), "LeNet/conv1");
        assert_eq!([block("global_step"), block("a/weights")], ["global_step", "a"]);
    }
}
