//! The zoo against TensorFlow: variables, end points and logits of all 38 networks, with weights
//! made up by rule, and what options change (`zoo/options.py` asks TF-Slim).
//!
//! What is quick runs always. All networks, with a table of how near each comes, takes minutes:
//!
//! ```text
//! cargo test --release -p lorgnette-net --test zoo -- --include-ignored --nocapture
//! ```

#[path = "support/levels.rs"]
mod levels;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;
use levels::levels;
use lorgnette_kernels::{Level, ThreadPool};
use lorgnette_net::graph::op::Border;
use lorgnette_net::graph::shape_inference::infer_shapes;
use lorgnette_net::passes::optimise;
use lorgnette_net::plan::{Plan, PlanOptions, WeightCache};
use lorgnette_net::zoo::{
    self, ARCHITECTURES, Architecture, Variables, ZooGraph, ZooOptions, fits, missing, wrong_shape,
};
use lorgnette_net::{DType, Result, Tensor};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::ACTIVATION;
use serde_json::Value;

/// Reference values of one network.
fn reference(folder: &std::path::Path, name: &str) -> Value {
    lorgnette_oracle::json(&folder.join("reference/nets").join(format!("{name}.json")))
}

/// The folder of reference data, once a process looked for.
fn folder() -> Option<&'static PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(lorgnette_oracle::folder).as_ref()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// Variables of given shapes, their values made when they are asked for.
#[derive(Debug, Default)]
struct SyntheticWeights {
    shapes: BTreeMap<String, Vec<usize>>,
    /// Whether only shapes matter: then all values are zero.
    hollow: bool,
    asked: RefCell<BTreeSet<String>>,
}

impl SyntheticWeights {
    fn from_reference(reference: &Value) -> Self {
        let variable = |v: &Value| (v["name"].as_str().unwrap().to_owned(), numbers(&v["shape"]));
        let shapes = reference["variables"].as_array().unwrap().iter().map(variable).collect();
        Self { shapes, ..Self::default() }
    }

    fn hollow(self) -> Self {
        Self { hollow: true, ..self }
    }

    /// The same variables with another number of classes.
    fn with_classes(mut self, from: usize, to: usize) -> Self {
        for shape in self.shapes.values_mut() {
            if let Some(last) = shape.last_mut().filter(|last| **last == from) {
                *last = to;
            }
        }
        self
    }

    fn listed(&self) -> Vec<(&str, &[usize])> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
    }
}

impl Variables for SyntheticWeights {
    fn variable(&self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        let found = self.shapes.get(name).ok_or_else(|| missing(name, shape, self.listed()))?;
        if !fits(found, shape) {
            return Err(wrong_shape(name, found, shape));
        }
        self.asked.borrow_mut().insert(name.to_owned());
        if self.hollow {
            // Zeroed memory that nobody touches costs nothing.
            let zeros = vec![0; 4 * found.iter().product::<usize>()];
            return Ok(Tensor::from_bytes(DType::F32, found.clone(), Bytes::from(zeros)).unwrap());
        }
        Ok(Tensor::from_f32(
            found,
            made_up::variable(name, found).expect("the rule knows the variable"),
        ))
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.get(name).cloned()
    }
}

/// Variables of every shape that is asked for.
#[derive(Debug)]
struct AsAsked;

impl Variables for AsAsked {
    fn variable(&self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        let shape: Vec<usize> =
            shape.iter().map(|n| n.expect("the options settle every shape")).collect();
        Ok(Tensor::from_f32(
            &shape,
            made_up::variable(name, &shape).expect("the rule knows the variable"),
        ))
    }

    fn shape(&self, _: &str) -> Option<Vec<usize>> {
        None
    }
}

/// What a network makes of two made-up pictures, at a CPU level.
fn run(zoo_graph: &ZooGraph, fetches: &[&str], shape: [usize; 4], level: Level) -> Vec<Tensor> {
    let graph = zoo_graph.fetching(fetches, &[]).unwrap();
    let sizes = HashMap::from([(zoo_graph.input.clone(), shape.to_vec())]);
    let typed = optimise(infer_shapes(&graph, &sizes).unwrap_or_else(|error| panic!("{error}")));
    let pool = ThreadPool::new(std::thread::available_parallelism().map_or(1, usize::from));
    let plan = Plan::new(
        &typed,
        &WeightCache::default(),
        &PlanOptions { level, ..PlanOptions::default() },
        &pool,
    )
    .unwrap();
    let mut activations = plan.activations(pool.threads()).unwrap();
    activations.input(&plan.inputs()[0]).copy_from_slice(&made_up::image(&shape));
    plan.run(&mut activations, &pool);
    let tensor = |port| {
        let port: &lorgnette_net::plan::Port = port;
        Tensor::from_f32(&port.fact.shape, activations.output(&plan, port).to_vec())
    };
    plan.outputs().iter().map(tensor).collect()
}

/// How far a tensor is from its summary, as a share of its largest magnitude.
fn difference(summary: &Value, found: &Tensor) -> std::result::Result<f64, String> {
    if numbers(&summary["shape"]) != found.shape() {
        return Err(format!("shape {:?}, not {}", found.shape(), summary["shape"]));
    }
    let values = found.to_f32();
    let largest = values.iter().fold(0.0f64, |largest, v| largest.max(f64::from(v.abs())));
    let wanted = |key: &str| summary[key].as_f64().unwrap();
    let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let mut worst = ((squares.sqrt() - wanted("l2")).abs() / wanted("l2"))
        .max((mean - wanted("mean")).abs() / largest);
    let listed =
        summary["values"].as_array().into_iter().flatten().map(|v| v.as_f64().unwrap()).enumerate();
    for (at, value) in lorgnette_oracle::probes(&summary["probe"]).into_iter().chain(listed) {
        worst = worst.max((f64::from(values[at]) - value).abs() / largest);
    }
    if worst.is_finite() { Ok(worst) } else { Err("it is not finite".into()) }
}

/// The network's worst difference in logits and end points, and where it is.
fn agreement(
    net: &Architecture,
    reference: &Value,
    level: Level,
) -> std::result::Result<(f64, String), String> {
    let side = |key: &str| reference[key].as_u64().unwrap() as usize;
    let size = [side("height"), side("width")];
    let options = ZooOptions { size: Some(size), ..ZooOptions::default() };
    let zoo_graph = net
        .build(&SyntheticWeights::from_reference(reference), &options)
        .map_err(|error| error.to_string())?;
    let end_points = reference["end_points"].as_array().unwrap();
    let names: Vec<&str> =
        end_points.iter().map(|end_point| end_point["name"].as_str().unwrap()).collect();
    let logits = zoo_graph.logits.as_deref().ok_or("it has no logits")?;
    let fetches: Vec<&str> = names.iter().copied().chain([logits]).collect();
    let found =
        run(&zoo_graph, &fetches, [side("batch"), size[0], size[1], side("channels")], level);
    let mut worst = (0.0, String::new());
    for ((name, found), summary) in
        fetches.iter().zip(&found).zip(end_points.iter().chain([&reference["logits"]]))
    {
        let error = difference(summary, found).map_err(|what| format!("{name}: {what}"))?;
        if error > f64::from(ACTIVATION) {
            return Err(format!("{name} is off by {error:.1e}"));
        }
        if error > worst.0 {
            worst = (error, (*name).to_owned());
        }
    }
    Ok(worst)
}

/// Compares networks, and prints a line for each.
fn all_agree<'a>(nets: impl IntoIterator<Item = &'a Architecture>, level: Level) {
    let Some(folder) = folder() else { return };
    let mut failures = String::new();
    for net in nets {
        let started = Instant::now();
        let result = agreement(net, &reference(folder, net.name), level);
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok((worst, at)) => println!("{:<32} {worst:.1e}  {seconds:5.1} s  {at}", net.name),
            Err(what) => writeln!(failures, "{}: {what}", net.name).unwrap(),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn small_networks_give_tensorflows_answers() {
    // Before the best level is asked for, which AMX in software would be.
    let mut tried = vec![Level::best()];
    tried.extend(levels().pop().filter(|level| !tried.contains(level)));
    for level in tried {
        let nets =
            ["lenet", "cifarnet", "mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small"];
        all_agree(nets.map(|name| zoo::find(name).unwrap()), level);
    }
}

#[test]
#[ignore = "minutes, and gigabytes: see the top of the file"]
fn all_networks_give_tensorflows_answers() {
    all_agree(ARCHITECTURES, Level::best());
}

/// With AMX in software, where the CPU has not got it.
#[test]
#[ignore = "a quarter of an hour, and gigabytes; LORGNETTE_NETS=NAME,... for fewer"]
fn all_networks_give_tensorflows_answers_on_tiles() {
    let named = std::env::var("LORGNETTE_NETS").unwrap_or_default();
    if levels().contains(&Level::Amx) {
        all_agree(
            ARCHITECTURES
                .iter()
                .filter(|net| named.is_empty() || named.split(',').any(|name| name == net.name)),
            Level::Amx,
        );
    }
}

#[test]
fn the_zoo_asks_for_the_variables_of_the_checkpoint_and_no_others() {
    let Some(folder) = folder() else { return };
    for net in ARCHITECTURES {
        let reference = reference(folder, net.name);
        let variables = SyntheticWeights::from_reference(&reference).hollow();
        let zoo_graph = net
            .build(&variables, &ZooOptions::default())
            .unwrap_or_else(|e| panic!("{}: {e}", net.name));
        assert!(variables.asked.borrow().iter().eq(variables.shapes.keys()), "{}", net.name);
        assert_eq!(
            zoo_graph.classes.map(|n| n as u64),
            reference["num_classes"].as_u64(),
            "{}",
            net.name
        );
        assert_eq!(zoo_graph.classes, Some(net.classes), "{}", net.name);
        assert_eq!(reference["channels"].as_u64(), Some(net.channels as u64), "{}", net.name);
    }
}

#[test]
fn end_points_are_the_nodes_they_are_in_tf_slim() {
    let Some(folder) = folder() else { return };
    for net in ARCHITECTURES {
        let reference = reference(folder, net.name);
        let zoo_graph = net
            .build(&SyntheticWeights::from_reference(&reference).hollow(), &ZooOptions::default())
            .unwrap();
        let found: BTreeMap<&str, &str> = zoo_graph
            .end_points
            .iter()
            .map(|(name, id)| (name.as_str(), zoo_graph.graph.node(*id).name.as_str()))
            .collect();
        let text = |value: &'static str| {
            move |end_point: &'_ Value| end_point[value].as_str().unwrap().to_owned()
        };
        for end_point in reference["end_points"].as_array().unwrap() {
            let (name, tensor) = (text("name")(end_point), text("tensor")(end_point));
            assert_eq!(found.get(name.as_str()), Some(&tensor.as_str()), "{}: {name}", net.name);
        }
        assert_eq!(found.len(), reference["end_points"].as_array().unwrap().len(), "{}", net.name);
        assert_eq!(
            zoo_graph.logits.as_deref(),
            reference["logits"]["tensor"].as_str(),
            "{}",
            net.name
        );
        assert!(
            zoo_graph.probabilities.is_some() && zoo_graph.node(&zoo_graph.features).is_ok(),
            "{}",
            net.name
        );
    }
}

#[test]
fn networks_are_recognised_by_their_variables() {
    let Some(folder) = folder() else { return };
    for net in ARCHITECTURES {
        let variables = SyntheticWeights::from_reference(&reference(folder, net.name));
        let found = |list: Vec<(&str, &[usize])>| zoo::recognise(list).map(|net| net.name);
        assert_eq!(found(variables.listed()), Some(net.name));
        // What training leaves in a file, and another number of classes.
        let mut trained = SyntheticWeights::from_reference(&reference(folder, net.name))
            .with_classes(net.classes, 5)
            .shapes;
        let names: Vec<(String, Vec<usize>)> =
            trained.iter().map(|(name, shape)| (name.clone(), shape.clone())).collect();
        for (name, shape) in names {
            for slot in ["Momentum", "ExponentialMovingAverage", "RMSProp_1"] {
                trained.insert(format!("{name}/{slot}"), shape.clone());
            }
        }
        trained.insert("global_step".into(), vec![]);
        let mut listed: Vec<(&str, &[usize])> =
            trained.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
        assert_eq!(found(listed.clone()), Some(net.name), "after training");
        // A file that lost one variable is still known for what it was.
        let last = listed.iter().rposition(|(name, _)| name.ends_with("/weights")).unwrap();
        listed.remove(last);
        let damaged = found(listed).unwrap_or_default();
        assert_eq!(
            zoo::find(damaged).map(|net| net.family).ok(),
            Some(net.family),
            "damaged {}",
            net.name
        );
    }
}

#[test]
fn a_width_that_is_not_in_the_zoo_is_read_from_the_file() {
    // MobileNet V1 of half a quarter: 8 channels at least.
    let mut shapes = BTreeMap::new();
    let norm = |scope: &str, channels: usize| {
        let parts = ["gamma", "beta", "moving_mean", "moving_variance"];
        parts.map(|part| (format!("MobilenetV1/{scope}/BatchNorm/{part}"), vec![channels])).to_vec()
    };
    let depth = |d: usize| (d / 8).max(8);
    let depths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024].map(depth);
    shapes.insert("MobilenetV1/Conv2d_0/weights".to_owned(), vec![3, 3, 3, depths[0]]);
    shapes.extend(norm("Conv2d_0", depths[0]));
    for (i, pair) in (1..).zip(depths.windows(2)) {
        let [depthwise, pointwise] =
            ["depthwise", "pointwise"].map(|kind| format!("Conv2d_{i}_{kind}"));
        shapes.insert(format!("MobilenetV1/{depthwise}/depthwise_weights"), vec![3, 3, pair[0], 1]);
        shapes.extend(norm(&depthwise, pair[0]));
        shapes.insert(format!("MobilenetV1/{pointwise}/weights"), vec![1, 1, pair[0], pair[1]]);
        shapes.extend(norm(&pointwise, pair[1]));
    }
    shapes.insert("MobilenetV1/Logits/Conv2d_1c_1x1/weights".to_owned(), vec![1, 1, 128, 7]);
    shapes.insert("MobilenetV1/Logits/Conv2d_1c_1x1/biases".to_owned(), vec![7]);
    let variables = SyntheticWeights { shapes, ..SyntheticWeights::default() };
    let net = zoo::recognise(variables.listed()).unwrap();
    assert_eq!(net.name, "mobilenet_v1");
    let multiplied =
        |multiplier| ZooOptions { depth_multiplier: Some(multiplier), ..ZooOptions::default() };
    for options in [ZooOptions::default(), multiplied(0.125)] {
        assert_eq!(net.build(&variables, &options).unwrap().classes, Some(7));
    }
    let message = net.build(&variables, &multiplied(0.5)).unwrap_err().to_string();
    assert!(message.contains("Conv2d_0/weights") && message.contains("[3, 3, 3, 16]"), "{message}");
}

/// TF-Slim's answers under other options, other sizes and other numbers of classes,
/// `zoo/options.json`.
fn options_agree(large: bool) {
    let cases: Value = serde_json::from_str(include_str!("zoo/options.json")).unwrap();
    for case in cases.as_array().unwrap().iter().filter(|case| case["large"] == large) {
        let size: [usize; 2] = numbers(&case["size"]).try_into().unwrap();
        let given = &case["options"];
        let options = ZooOptions {
            num_classes: Some(case["classes"].as_u64().unwrap() as usize),
            spatial_squeeze: given["spatial_squeeze"].as_bool().unwrap_or(true),
            global_pool: given["global_pool"].as_bool(),
            output_stride: given["output_stride"].as_u64().map(|n| n as usize),
            depth_multiplier: given["depth_multiplier"].as_f64(),
            min_depth: given["min_depth"].as_u64().map(|n| n as usize),
            final_endpoint: given["final_endpoint"].as_str().map(str::to_owned),
            size: Some(size),
            ..ZooOptions::default()
        };
        let zoo_graph =
            zoo::find(case["net"].as_str().unwrap()).unwrap().build(&AsAsked, &options).unwrap();
        let answers = case["answers"].as_array().unwrap();
        let node = |answer: &Value| match answer["name"].as_str().unwrap() {
            "logits" => zoo_graph.logits.clone().unwrap(),
            name => name.to_owned(),
        };
        let names: Vec<String> = answers.iter().map(node).collect();
        let fetches: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = run(&zoo_graph, &fetches, [2, size[0], size[1], 3], Level::best());
        for ((name, found), answer) in names.iter().zip(&found).zip(answers) {
            let error =
                difference(answer, found).unwrap_or_else(|what| panic!("{case}: {name}: {what}"));
            assert!(
                error <= f64::from(ACTIVATION),
                "{}, {given}: {name} is off by {error:.1e}",
                case["net"]
            );
        }
    }
}

#[test]
fn options_mean_what_they_mean_in_tf_slim() {
    options_agree(false);
}

#[test]
#[ignore = "half a minute where the compiler does not optimise: see the top of the file"]
fn options_of_large_networks_mean_what_they_mean_in_tf_slim() {
    options_agree(true);
}

/// The shape of a network's fetched node for pictures of a size.
fn shape_of(
    net: &str,
    options: &ZooOptions,
    fetch: impl Fn(&ZooGraph) -> String,
    [height, width]: [usize; 2],
) -> Vec<usize> {
    let variables = SyntheticWeights::from_reference(&reference(folder().unwrap(), net)).hollow();
    let zoo_graph = zoo::find(net)
        .unwrap()
        .build(&variables, options)
        .unwrap_or_else(|error| panic!("{net}: {error}"));
    let graph = zoo_graph.fetching(&[&fetch(&zoo_graph)], &[]).unwrap();
    let sizes = HashMap::from([(zoo_graph.input.clone(), vec![1, height, width, 3])]);
    let typed = infer_shapes(&graph, &sizes).unwrap_or_else(|error| panic!("{net}: {error}"));
    typed.fact(typed.graph.outputs()[0]).shape.clone()
}

#[test]
fn pictures_of_other_sizes_leave_maps() {
    if folder().is_none() {
        return;
    }
    let logits = |zoo_graph: &ZooGraph| zoo_graph.logits.clone().unwrap();
    let map = |fc_conv_padding| ZooOptions {
        spatial_squeeze: false,
        fc_conv_padding,
        ..ZooOptions::default()
    };
    assert_eq!(shape_of("vgg_a", &map(Border::Valid), logits, [320, 416]), [1, 4, 7, 1000]);
    assert_eq!(shape_of("vgg_a", &map(Border::Same), logits, [320, 416]), [1, 10, 13, 1000]);
    let pooled = ZooOptions { global_pool: Some(true), ..ZooOptions::default() };
    assert_eq!(shape_of("vgg_a", &pooled, logits, [320, 416]), [1, 1000]);
    assert_eq!(shape_of("inception_v1", &pooled, logits, [320, 416]), [1, 1001]);
    let cells =
        ZooOptions { spatial_squeeze: false, global_pool: Some(false), ..ZooOptions::default() };
    assert_eq!(shape_of("inception_v3", &cells, logits, [427, 555]), [1, 3, 5, 1001]);
    assert_eq!(shape_of("mobilenet_v2_035", &cells, logits, [320, 416]), [1, 10, 13, 1001]);
    assert_eq!(shape_of("resnet_v1_50", &cells, logits, [321, 225]), [1, 11, 8, 1000]);
    for (stride, shape) in [(16, [1, 21, 15, 1000]), (8, [1, 41, 29, 1000]), (4, [1, 81, 57, 1000])]
    {
        let dense = ZooOptions { output_stride: Some(stride), ..cells.clone() };
        assert_eq!(shape_of("resnet_v1_50", &dense, logits, [321, 225]), shape);
    }
    for size in [[64, 64], [32, 48]] {
        let small = ZooOptions { size: Some(size), ..ZooOptions::default() };
        for net in ["inception_v2", "mobilenet_v1_025", "mobilenet_v3_small", "nasnet_mobile"] {
            assert_eq!(shape_of(net, &small, logits, size), [1, 1001], "{net}");
        }
    }
}

#[test]
fn building_ends_where_it_is_told_to() {
    let Some(folder) = folder() else { return };
    let net = zoo::find("inception_v2").unwrap();
    let options =
        |name: &str| ZooOptions { final_endpoint: Some(name.into()), ..ZooOptions::default() };
    let mut variables = SyntheticWeights::from_reference(&reference(folder, net.name)).hollow();
    variables.shapes.retain(|name, _| !name.contains("Mixed_5") && !name.contains("Logits"));
    let zoo_graph = net.build(&variables, &options("Mixed_4e")).unwrap();
    assert_eq!((zoo_graph.logits, zoo_graph.probabilities, zoo_graph.classes), (None, None, None));
    assert_eq!(zoo_graph.features, "InceptionV2/InceptionV2/Mixed_4e/concat");
    assert!(
        net.build(&variables, &options("Mixed_5a")).unwrap_err().to_string().contains("Mixed_5a")
    );
    let variables = SyntheticWeights::from_reference(&reference(folder, net.name)).hollow();
    let message = net.build(&variables, &options("Mixed_9z")).unwrap_err().to_string();
    assert!(message.starts_with("there is no end point 'Mixed_9z'"), "{message}");
    let features = net
        .build(&variables, &ZooOptions { num_classes: Some(0), ..ZooOptions::default() })
        .unwrap();
    assert_eq!(
        (features.logits, features.features.as_str()),
        (None, "InceptionV2/Logits/AvgPool_1a_7x7/AvgPool")
    );
    let message = net
        .build(&variables, &ZooOptions { num_classes: Some(6), ..ZooOptions::default() })
        .unwrap_err();
    assert!(message.to_string().contains("Conv2d_1c_1x1/weights"), "{message}");
}

#[test]
fn an_output_stride_that_cannot_be_reached_is_refused() {
    let Some(folder) = folder() else { return };
    for (net, stride) in [
        ("resnet_v1_50", 64),
        ("resnet_v1_50", 6),
        ("mobilenet_v1_025", 4),
        ("inception_resnet_v2", 32),
    ] {
        let variables = SyntheticWeights::from_reference(&reference(folder, net)).hollow();
        let options = ZooOptions { output_stride: Some(stride), ..ZooOptions::default() };
        let message = zoo::find(net).unwrap().build(&variables, &options).unwrap_err().to_string();
        assert!(message.starts_with(&format!("output_stride {stride}")), "{message}");
    }
}
