//! Times a peer that is a Rust crate; `../peer.py` does the same for those of Python, and says what
//! the options are and what is said.
//!
//!     lorgnette-peers ENGINE MODEL.onnx --threads 2 --seconds 3 --shape 1,3,224,224 \
//!         --input X.f32 [--answer Y.f32] --output NAME
//!
//! ENGINE is `tract` or `rten`. X and Y are little-endian float32, X by photo, channel, row and
//! column.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// As in `peer.py`, which says what for.
const MIN_RUNS: usize = 3;
const LONG: f64 = 1000.0;

/// The function that is run, from pixels to the values of the output.
type Network = Box<dyn FnMut(&[f32]) -> Result<Vec<f32>>>;

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let pixels = read_floats(&arguments.input)?;
    let started = Instant::now();
    let mut network = match arguments.engine.as_str() {
        "tract" => tract(&arguments)?,
        "rten" => rten(&arguments)?,
        other => bail!("{other} is no engine: tract or rten"),
    };
    let loaded = started.elapsed();
    let answer = network(&pixels)?;
    if let Some(path) = &arguments.answer {
        let bytes: Vec<u8> = answer.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path, bytes)?;
    }
    println!(r#"{{"load_s": {}}}"#, loaded.as_secs_f64());
    for line in std::io::stdin().lines() {
        line?;
        let times = time_runs(&mut network, &pixels, arguments.seconds)?;
        let (min, median, runs) = (times[0], times[times.len() / 2], times.len());
        println!(r#"{{"min_ms": {min}, "median_ms": {median}, "runs": {runs}}}"#);
    }
    Ok(())
}

/// Milliseconds of each run, the shortest first.
fn time_runs(network: &mut Network, pixels: &[f32], seconds: Duration) -> Result<Vec<f64>> {
    let mut timed = || -> Result<f64> {
        let started = Instant::now();
        black_box(network(pixels)?);
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    let began = Instant::now();
    let first = timed()?;
    let mut times: Vec<f64> = (first > LONG).then_some(first).into_iter().collect();
    while times.len() < MIN_RUNS || began.elapsed() < seconds {
        times.push(timed()?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

struct Arguments {
    engine: String,
    model: PathBuf,
    threads: usize,
    seconds: Duration,
    shape: Vec<usize>,
    input: PathBuf,
    answer: Option<PathBuf>,
    output: String,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let (engine, model) = words.next().zip(words.next()).context("ENGINE MODEL.onnx are \
             missing")?;
        let mut options = HashMap::new();
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} needs a value"))?;
            options.insert(name, value);
        }
        let mut take =
            |name: &str| options.remove(name).with_context(|| format!("{name} is missing"));
        let shape = take("--shape")?;
        let arguments = Self {
            engine,
            model: model.into(),
            threads: take("--threads")?.parse()?,
            seconds: Duration::from_secs_f64(take("--seconds")?.parse()?),
            shape,
            input: take("--input")?.into(),
            output: take("--output")?,
            answer: take("--answer").ok().map(PathBuf::from),
        };
        ensure!(options.is_empty(), "unknown options: {:?}", options.keys());
        Ok(arguments)
    }
}

fn read_floats(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn tract(arguments: &Arguments) -> Result<Network> {
    use tract_onnx::prelude::*;
    multithread::set_default_executor(match arguments.threads {
        0 | 1 => multithread::Executor::SingleThread,
        several => multithread::Executor::multithread(several),
    });
    let shape = arguments.shape.clone();
    let mut model = tract_onnx::onnx().model_for_path(&arguments.model)?;
    model.set_input_fact(0, f32::fact(&shape).into())?;
    model.select_outputs_by_name([&arguments.output])?;
    let model = model.into_optimized()?.into_runnable()?;
    Ok(Box::new(move |pixels| {
        let input = Tensor::from_shape(&shape, pixels)?;
        let answer = model.run(tvec!(input.into()))?;
        Ok(answer[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}

fn rten(arguments: &Arguments) -> Result<Network> {
    use rten::{ModelOptions, RunOptions, ThreadPool, Value};
    use rten_tensor::prelude::*;
    use rten_tensor::{Tensor, TensorView};
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(&arguments.model)?;
    let pool = Arc::new(ThreadPool::with_num_threads(arguments.threads));
    let (input, output) = (model.input_ids()[0], model.node_id(&arguments.output)?);
    let shape = arguments.shape.clone();
    Ok(Box::new(move |pixels| {
        let view = TensorView::from_data(shape.as_slice(), pixels);
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let inputs = vec![(input, view.into())];
        let [answer]: [Value; 1] = model.run_n(inputs, [output], Some(options))?;
        let answer: Tensor<f32> = answer.try_into()?;
        Ok(answer.iter().copied().collect())
    }))
}
