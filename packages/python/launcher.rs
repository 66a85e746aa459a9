//! The program `lorgnette` of the wheel: runs the program that is in the extension module, without
//! starting Python.
//!
//! ```text
//! PREFIX/bin/lorgnette
//!     ─▶ PREFIX/lib/python3.N/site-packages/lorgnette/_lorgnette.abi3.so ─▶ lorgnette_main
//! ```
//!
//! The module refers to symbols of Python, which are not there. The program does not use them, so
//! this file defines each as a word of zero; `backend.py` lists them. Where there is no module, as
//! beside an editable installation, Python runs the program.

use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

// `global_asm!` with the symbols.
include!(env!("LORGNETTE_SYMBOLS"));

/// The module's path in `site-packages`.
const MODULE: &str = env!("LORGNETTE_MODULE_NAME");
/// Binds all symbols at once.
const RTLD_NOW: c_int = 2;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
}

fn main() {
    let bin = match env::current_exe() {
        Ok(program) => program.parent().map(Path::to_owned).unwrap_or_default(),
        Err(error) => fail(&format!("this program's folder is not known: {error}")),
    };
    match find_module(&bin) {
        Some(module) => exit(run(&module)),
        None => fail(&run_with_python(&bin)),
    }
}

/// The extension module beside this program, of the latest Python.
fn find_module(bin: &Path) -> Option<PathBuf> {
    let prefix = bin.parent()?;
    // `pip install --target` has the packages beside `bin`.
    let mut found = vec![prefix.join(MODULE)];
    for library in ["lib", "lib64", "local/lib"] {
        let Ok(versions) = fs::read_dir(prefix.join(library)) else { continue };
        let is_python = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"python3"))
        };
        for version in versions.flatten().map(|entry| entry.path()).filter(is_python) {
            found.push(version.join("site-packages").join(MODULE));
            found.push(version.join("dist-packages").join(MODULE));
        }
    }
    found.retain(|path| path.is_file());
    let minor_version = |path: &PathBuf| {
        let version = path.components().find_map(|part| {
            part.as_os_str().to_str()?.strip_prefix("python3.")?.parse::<u32>().ok()
        });
        version.unwrap_or(0)
    };
    found.into_iter().max_by_key(minor_version)
}

/// Loads the module and runs the program in it. Returns its exit code.
fn run(module: &Path) -> c_int {
    let path = match CString::new(module.as_os_str().as_bytes()) {
        Ok(path) => path,
        Err(_) => fail(&format!("{}: a path with a NUL", module.display())),
    };
    // SAFETY: the path ends in a NUL; the module's initialisers are Rust's and need nothing.
    let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    if library.is_null() {
        fail(&last_error());
    }
    // SAFETY: `library` is open, and the name ends in a NUL.
    let main = unsafe { dlsym(library, c"lorgnette_main".as_ptr()) };
    if main.is_null() {
        fail(&last_error());
    }
    // SAFETY: the module of the same version defines `lorgnette_main` with this type.
    let main = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(main) };
    main()
}

/// Replaces this process by Python, which runs the program. Returns why that failed.
fn run_with_python(bin: &Path) -> String {
    let python =
        ["python3", "python"].map(|name| bin.join(name)).into_iter().find(|path| path.exists());
    let python = python.unwrap_or_else(|| PathBuf::from("python3"));
    let error = Command::new(&python).args(["-m", "lorgnette"]).args(env::args_os().skip(1)).exec();
    format!(
        "the package lorgnette is not beside {}, and {}: {error}",
        bin.display(),
        python.display()
    )
}

fn last_error() -> String {
    // SAFETY: the text is there until the next call of this family.
    let text = unsafe { CStr::from_ptr(dlerror()) };
    text.to_string_lossy().into_owned()
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}: install the package lorgnette again");
    exit(2)
}
