//! The extension module `lorgnette._lorgnette`: the library's calls with Python's values.
//!
//! ```text
//! Python photo ─▶ Photo ─▶ Picture ─▶ lorgnette ─▶ answer ─▶ JSON text, numpy arrays
//!                 photo    (without the interpreter lock: work)
//! ```
//!
//! The Python files around it turn JSON into typed results. The JSON is that of the program.

#![deny(unsafe_code)]
#![expect(clippy::needless_pass_by_value, reason = "Python's arguments arrive as owned values")]

mod error;
mod fleet;
mod library;
mod map;
mod model;
mod photo;
mod picture;
mod run;
mod table;
mod train;
mod work;

use std::ffi::c_int;

use lorgnette::net::memory::LimitedAllocator;
use pyo3::pymodule;

/// Every allocation counts against the program's `--memory-limit`.
#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

/// Runs the program `lorgnette` with the arguments of this process, and returns its exit code. The
/// wheel's program (`launcher.rs`) calls it; nothing here needs Python.
#[expect(unsafe_code, reason = "a name that only this package exports")]
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_main() -> c_int {
    c_int::from(lorgnette_cli::run(std::env::args_os()))
}

/// The extension module.
#[pymodule(gil_used = false)]
mod _lorgnette {
    use std::ffi::OsString;

    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::error::LorgnetteError;
    #[pymodule_export]
    use crate::fleet::FleetAnalyser;
    #[pymodule_export]
    use crate::library::Library;
    #[pymodule_export]
    use crate::map::Map;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::picture::{annotate, decode, draw_faces, find_photos, save, thumbnail};
    #[pymodule_export]
    use crate::table::Table;
    #[pymodule_export]
    use crate::train::{evaluate, train};

    /// Runs the program `lorgnette` with these arguments, the first of which is its name. Returns
    /// its exit code.
    #[pyfunction]
    fn program(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| lorgnette_cli::run(arguments))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
