//! Standard output and standard error of this process, as files, while a verb of the program runs
//! in it.

#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::Path;
use std::sync::OnceLock;

/// The standard error of the process, whatever is captured.
static STDERR: OnceLock<OwnedFd> = OnceLock::new();

/// The text that was written to standard output and standard error.
pub(crate) struct Written {
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Two files that take the place of standard output and standard error.
pub(crate) struct Capture {
    out: File,
    err: File,
}

impl Capture {
    /// Creates the files in `folder`.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            File::options().read(true).write(true).create(true).truncate(true).open(path)
        };
        Ok(Self { out: file("stdout")?, err: file("stderr")? })
    }

    /// Does `work`, and returns its result and what it wrote.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<(T, Written)> {
        io::stdout().flush()?;
        let own = [io::stdout().as_fd().try_clone_to_owned()?, own_stderr()?];
        replace(libc::STDOUT_FILENO, self.out.as_raw_fd())?;
        replace(libc::STDERR_FILENO, self.err.as_raw_fd())?;
        let result = work();
        let flushed = io::stdout().flush();
        replace(libc::STDOUT_FILENO, own[0].as_raw_fd())?;
        replace(libc::STDERR_FILENO, own[1].as_raw_fd())?;
        flushed?;
        let [out, err] = [taken(&mut self.out)?, taken(&mut self.err)?];
        Ok((result, Written { out, err }))
    }
}

/// Writes a line to the standard error of the process, also while it is captured. Allocates
/// nothing.
pub(crate) fn report(line: fmt::Arguments<'_>) {
    let Some(stderr) = STDERR.get() else { return eprintln!("{line}") };
    if let Ok(stderr) = stderr.try_clone() {
        let _ = writeln!(File::from(stderr), "{line}");
    }
}

/// Sets a variable of the environment. Called while targets are made.
pub(crate) fn set_variable(name: &str, value: &Path) {
    // SAFETY: Rust's own readers of the environment take a lock, and nothing else reads it here.
    unsafe { std::env::set_var(name, value) }
}

fn own_stderr() -> io::Result<OwnedFd> {
    if STDERR.get().is_none() {
        let _ = STDERR.set(io::stderr().as_fd().try_clone_to_owned()?);
    }
    io::stderr().as_fd().try_clone_to_owned()
}

/// Lets `number` stand for the file of `descriptor`.
fn replace(number: RawFd, descriptor: RawFd) -> io::Result<()> {
    // SAFETY: the call takes two numbers; both are of open files.
    if unsafe { libc::dup2(descriptor, number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Returns the content of a file, and empties it.
fn taken(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    file.set_len(0)?;
    file.rewind()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
