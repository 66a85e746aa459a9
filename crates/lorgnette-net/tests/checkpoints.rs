//! Checkpoints written by TensorFlow (`oracle/checkpoints.py`), damaged ones, and archives of them.

#[path = "checkpoints/archives.rs"]
mod archives;
#[path = "checkpoints/damage.rs"]
mod damage;
#[path = "checkpoints/fixtures.rs"]
mod fixtures;
#[path = "checkpoints/memory.rs"]
mod memory;
#[path = "checkpoints/mutations.rs"]
mod mutations;
#[path = "checkpoints/paths.rs"]
mod paths;
#[path = "checkpoints/tables.rs"]
mod tables;

use lorgnette_net::weights::{Variables, Weights};
use lorgnette_net::{DType, Error};

use fixtures::{Case, fixtures};

#[test]
fn every_variable_is_what_tensorflow_wrote() {
    let fixtures = fixtures();
    assert_eq!(fixtures.cases.len(), 20, "the fixture is whole");
    for case in &fixtures.cases {
        let weights = Weights::open(fixtures.path(&case.open))
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(weights.version(), case.version, "{}", case.name);
        let names: Vec<&str> = weights.tensor_shapes().map(|(name, _)| name).collect();
        assert_eq!(names, case.variables.keys().collect::<Vec<_>>(), "{}", case.name);
        case.check(&weights);
    }
}

#[test]
fn both_versions_give_the_same_bits() {
    let fixtures = fixtures();
    let [one, two] =
        ["plain_v1", "partitioned_v2"].map(|name| Weights::open(fixtures.open_path(name)).unwrap());
    for ((variable, first), (_, second)) in one.iter().zip(two.iter()) {
        assert_eq!(first.unwrap().bytes(), second.unwrap().bytes(), "{}", variable.name());
    }
}

#[test]
fn whole_variables_stay_in_the_map() {
    let fixtures = fixtures();
    for name in ["plain_v1", "plain_v2", "small_blocks_v1"] {
        let weights = Weights::open(fixtures.open_path(name)).unwrap();
        // The third is in slices, except for this variable.
        let address = || weights.get("tiny/conv1/BatchNorm/beta").unwrap().bytes().as_ptr();
        assert_eq!(address(), address(), "{name}: read twice, and not copied");
    }
}

#[test]
fn types_without_tensors_are_listed_and_not_read() {
    let weights = Weights::open(fixtures().open_path("types_v2")).unwrap();
    let complex = weights.variable("types/complex64").unwrap();
    assert_eq!(
        (complex.dtype(), complex.type_name().as_str(), complex.shape()),
        (None, "complex64", &[2][..])
    );
    let refused = weights.get("types/string").unwrap_err().to_string();
    assert!(
        refused
            .ends_with("variable 'types/string': is of type string, which cannot be computed with"),
        "{refused}"
    );
}

#[test]
fn a_missing_variable_is_named_with_the_nearest() {
    let weights = Weights::open(fixtures().open_path("plain_v2")).unwrap();
    let unknown = weights.get("tiny/conv1/weight").unwrap_err();
    assert!(
        matches!(&unknown, Error::Unknown { kind: "variable", nearest, .. } if nearest[0] == "tiny/conv1/weights")
    );
    let missing =
        Variables::variable(&weights, "tiny/logits/bias", &[Some(11)]).unwrap_err().to_string();
    assert!(missing.contains("there is no variable 'tiny/logits/bias' of shape [11]"), "{missing}");
    assert!(missing.contains("'tiny/logits/biases' [11]"), "{missing}");
    let misshapen =
        Variables::variable(&weights, "tiny/logits/biases", &[Some(1001)]).unwrap_err().to_string();
    assert!(
        misshapen.ends_with(
            "variable 'tiny/logits/biases': has the shape [11]; the network needs [1001]"
        ),
        "{misshapen}"
    );
    assert_eq!(Variables::variable(&weights, "global_step", &[]).unwrap().to_i64(), [4242]);
    assert!(weights.contains("global_step") && !weights.contains("global"));
}

#[test]
fn threads_may_read_at_once() {
    let fixtures = fixtures();
    for name in ["small_snappy_v1", "partitioned_v2"] {
        let case = fixtures.case(name);
        let weights = Weights::open(fixtures.path(&case.open)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| case.check(&weights));
            }
        });
    }
}

impl Case {
    /// Compares every readable variable with its value in TensorFlow.
    fn check(&self, weights: &Weights) {
        for (name, wanted) in &self.variables {
            let variable = weights.variable(name).unwrap();
            assert_eq!(
                (variable.shape(), &variable.type_name()),
                (&wanted.shape[..], &wanted.kind),
                "{}: {name}",
                self.name
            );
            let Some(file) = &wanted.values else { continue };
            let read = weights.get(name).unwrap_or_else(|e| panic!("{}: {e}", self.name));
            let values = fixtures().values(file);
            let stored_as = if variable.dtype() == Some(DType::BF16) {
                Some(DType::U16)
            } else {
                variable.dtype()
            };
            assert_eq!(Some(values.dtype()), stored_as, "{}: {name}", self.name);
            assert_eq!(read.bytes(), values.bytes(), "{}: {name}", self.name);
        }
    }
}
